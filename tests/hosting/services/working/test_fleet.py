"""The same operation for many instances, in waves, that stops itself when too many fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from hosting.engines.errors import GiveUp
from hosting.engines.memory import MemoryEngine
from hosting.models import FleetAction, FleetActionItem, Instance, Operation, Server
from hosting.services import instances
from hosting.services.working import fleet, leases, operations
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services import audit
from tenants.services.actors import Actor
from tests.hosting.rounds import pass_time, work_all
from tests.tenants.threads import at_once

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db


@pytest.fixture
def books(order: Order, memory_engine: MemoryEngine, work_off: WorkOff) -> list[Instance]:
    """Five instances that run: book-0 to book-4."""
    placed = [order(f"book-{number}") for number in range(5)]
    for each in placed:
        work_off(each)
    pass_time()
    return placed


def _restart(server: Server, actor: Actor, **options: int) -> FleetAction:
    return fleet.begin_on_server(server=server, kind="restart", actor=actor, **options)


def _states(action: FleetAction) -> list[str]:
    return [each.state for each in action.items.order_by("instance__name")]


def test_it_goes_in_waves_and_the_next_begins_when_one_is_over(
    books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    action = _restart(memory_server, actor, wave_size=2)
    assert _states(action) == ["running", "running", "waiting", "waiting", "waiting"]
    work_all()
    fleet.advance_all()
    assert _states(action) == ["succeeded", "succeeded", "running", "running", "waiting"]
    work_all()
    fleet.advance_all()
    assert _states(action)[-1] == "running"
    work_all()
    fleet.advance_all()
    action.refresh_from_db()
    assert (action.state, set(_states(action))) == ("succeeded", {"succeeded"})
    assert action.finished_at is not None
    kinds = Operation.objects.filter(kind="restart").values_list("requested_by_label", flat=True)
    assert set(kinds) == {actor.label}
    assert AuditEvent.objects.filter(action="fleet.begun").count() == 1


def test_a_wave_is_over_only_when_all_of_it_is(
    books: list[Instance], memory_server: Server, actor: Actor, work_off: WorkOff
) -> None:
    action = _restart(memory_server, actor, wave_size=2)
    work_off(books[0])
    fleet.advance_all()
    assert _states(action) == ["succeeded", "running", "waiting", "waiting", "waiting"]


def test_it_stops_itself_when_too_many_fail(
    books: list[Instance], memory_engine: MemoryEngine, memory_server: Server, actor: Actor
) -> None:
    def refuse(line: str) -> None:
        raise GiveUp("the kernel is broken")

    action = _restart(memory_server, actor, wave_size=2, most_failures=1)
    memory_engine.faults.before_change = refuse
    work_all()
    fleet.advance_all()
    action.refresh_from_db()
    assert (action.state, action.reason) == (
        FleetAction.State.STOPPED,
        "Stopped by itself: 2 operations failed.",
    )
    assert _states(action) == ["failed", "failed", "skipped", "skipped", "skipped"]
    reasons = set(action.items.values_list("reason", flat=True))
    assert reasons == {"the kernel is broken", "The action was stopped before its wave."}
    assert not Operation.objects.filter(state="queued").exists()


def test_as_many_failures_as_allowed_stop_nothing(
    books: list[Instance], memory_engine: MemoryEngine, memory_server: Server, actor: Actor
) -> None:
    action = _restart(memory_server, actor, wave_size=1, most_failures=1)
    memory_engine.hands.remove_volume(f"{books[0].project}-data")
    for _ in range(6):
        work_all()
        fleet.advance_all()
    action.refresh_from_db()
    assert action.state == FleetAction.State.SUCCEEDED
    assert _states(action) == ["failed", *["succeeded"] * 4]


def test_one_that_is_busy_is_left_out_with_the_reason(
    books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    instances.stop(instance=books[1], actor=actor)
    action = _restart(memory_server, actor, wave_size=5)
    assert _states(action) == ["running", "skipped", "running", "running", "running"]
    reason = action.items.get(state="skipped").reason
    assert reason.startswith("book-1 is busy: “Stop” was asked for by Berth (test)")


def test_one_that_changed_before_its_wave_is_left_out_with_the_reason(
    books: list[Instance], memory_server: Server, actor: Actor, work_off: WorkOff
) -> None:
    action = _restart(memory_server, actor, wave_size=4)
    instances.stop(instance=books[4], actor=actor)
    work_off(books[4])
    work_all()
    fleet.advance_all()
    item = action.items.get(instance=books[4])
    assert item.state == FleetActionItem.State.SKIPPED
    assert "is stopped: “Restart” is not possible now" in item.reason


def test_a_repair_that_waits_gives_way_to_it(
    books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    operations_before = Operation.objects.count()
    Operation.objects.create(instance=books[0], kind="repair")
    action = _restart(memory_server, actor, wave_size=5)
    assert set(_states(action)) == {"running"}
    assert Operation.objects.count() == operations_before + 6


def test_a_person_stops_it_and_what_is_worked_on_goes_on(
    books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    action = _restart(memory_server, actor, wave_size=2)
    fleet.stop(action=action, actor=actor)
    action.refresh_from_db()
    assert (action.state, action.reason) == (FleetAction.State.STOPPED, "Stopped by Berth (test).")
    assert _states(action) == ["running", "running", "skipped", "skipped", "skipped"]
    assert [each.state for each in work_all()] == ["succeeded"] * 2
    fleet.advance_all()
    assert _states(action)[:2] == ["succeeded", "succeeded"]  # and history says how they ended
    assert not Operation.objects.filter(state="queued").exists()
    with pytest.raises(Refused, match="ended already"):
        fleet.stop(action=action, actor=actor)
    assert AuditEvent.objects.filter(action="fleet.stopped").count() == 1


def test_one_operation_that_was_called_off_is_no_failure(
    books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    action = _restart(memory_server, actor, wave_size=5, most_failures=0)
    operations.cancel(operation_id=books[0].operations.get(state="queued").pk, actor=actor)
    work_all()
    fleet.advance_all()
    action.refresh_from_db()
    assert action.state == FleetAction.State.SUCCEEDED
    assert _states(action) == ["skipped", *["succeeded"] * 4]


def test_a_second_one_is_refused_by_the_name_of_the_first(
    books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    _restart(memory_server, actor)
    with pytest.raises(Refused, match="“Restart all on memory” has not ended yet"):
        fleet.begin_on_server(server=memory_server, kind="stop", actor=actor)
    with pytest.raises(IntegrityError), transaction.atomic():
        FleetAction.objects.create(server=memory_server, kind="stop")


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("delete", {}, "can't be asked of a whole server"),
        ("start", {}, "No instance on server memory can be asked"),
        ("restart", {"wave_size": 0}, "at least one instance"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    kind: str,
    options: dict[str, int],
    says: str,
    books: list[Instance],
    memory_server: Server,
    actor: Actor,
) -> None:
    with pytest.raises(Refused, match=says):
        fleet.begin_on_server(server=memory_server, kind=kind, actor=actor, **options)
    assert not FleetAction.objects.exists()
    assert not Operation.objects.filter(state="queued").exists()


@pytest.mark.django_db(transaction=True)
def test_many_that_advance_it_at_once_do_no_harm(
    books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    action = _restart(memory_server, actor, wave_size=2)
    work_all()
    for future in at_once(*[fleet.advance_all] * 4):
        future.result()
    assert _states(action) == ["succeeded", "succeeded", "running", "running", "waiting"]
    assert Operation.objects.filter(kind="restart").count() == 4


@pytest.mark.django_db(transaction=True)
def test_two_that_begin_at_once_begin_one(
    books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    done = at_once(*[lambda: _restart(memory_server, actor)] * 3)
    refused = [each.exception() for each in done if each.exception()]
    assert len(refused) == 2
    assert all(isinstance(each, Refused) for each in refused)
    assert Operation.objects.filter(kind="restart").count() == 5


@pytest.mark.django_db(transaction=True)
def test_a_wave_and_the_end_of_an_operation_never_wait_for_each_other(
    books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    """Both write to the audit log, and whoever does locks no instance afterwards."""
    operation = instances.stop(instance=books[1], actor=actor)
    lease = leases.claim(operation_id=operation.pk, worker="w")
    assert lease is not None
    has_instance = threading.Event()

    def end_an_operation() -> None:
        """In the order of ``leases.finish``: the instance, then the audit log."""
        with transaction.atomic():
            Instance.objects.select_for_update().get(pk=books[1].pk)
            has_instance.set()
            _until_someone_waits()
            audit.record(action="operation.succeeded", actor=actor, obj=books[1])

    def begin_meanwhile() -> FleetAction:
        assert has_instance.wait(10)
        return _restart(memory_server, actor, wave_size=5)

    for future in at_once(end_an_operation, begin_meanwhile):
        future.result()
    action = FleetAction.objects.get()
    assert _states(action).count("running") == 4


def _until_someone_waits() -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    raise AssertionError("nobody waited: the test shows nothing")


def test_a_death_in_the_middle_of_it_costs_nothing(
    books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    """Where it stands is in the database: nobody has to be there for it to go on later."""
    action = _restart(memory_server, actor, wave_size=3)
    work_all()
    Operation.objects.filter(kind="restart").update(finished_at=timezone.now())
    for _ in range(3):
        fleet.advance_all()
        work_all()
    fleet.advance_all()
    action.refresh_from_db()
    assert action.state == FleetAction.State.SUCCEEDED
