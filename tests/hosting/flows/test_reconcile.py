"""A server is compared with what it should run, and what differs is put right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hosting.engines.errors import GiveUp
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ContainerState, Health, ObjectKind
from hosting.flows import reconcile
from hosting.models import Drift, Incident, Instance, InstanceSecret, Operation, Plan, Server
from hosting.services import instances, repairs
from tenants.models import AuditEvent
from tenants.services.actors import Actor
from tests.conftest import OWNER
from tests.hosting.rounds import one_round, pass_time, work_all

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
Deed = Callable[[MemoryEngine, Instance], object]
pytestmark = pytest.mark.django_db


@pytest.fixture
def book(order: Order, memory_engine: MemoryEngine, work_off: WorkOff) -> Instance:
    """A guestbook that runs."""
    instance = order("book")
    assert work_off(instance).state == Operation.State.SUCCEEDED
    return instance


def _network(instance: Instance, name: str) -> str:
    return f"{instance.project}-{name}"


def _alien(engine: MemoryEngine, instance: Instance) -> object:
    return engine.hands.add_stray(
        ObjectKind.CONTAINER, "miner", owner=OWNER, instance=str(instance.pk)
    )


DEEDS: dict[str, tuple[set[str], Deed]] = {
    "removed": ({"missing"}, lambda e, i: e.hands.remove_container(str(i.pk), "web")),
    "ended": ({"stopped"}, lambda e, i: e.hands.kill(str(i.pk), "web")),
    "unhealthy": ({"unhealthy"}, lambda e, i: e.hands.make_unhealthy(str(i.pk), "web")),
    "renamed": ({"changed"}, lambda e, i: e.hands.rename(str(i.pk), "web", "mine")),
    "limits": ({"changed"}, lambda e, i: e.hands.alter_limits(str(i.pk), "db")),
    "policy": ({"changed"}, lambda e, i: e.hands.alter_restart_policy(str(i.pk), "db")),
    "cut off": (
        {"disconnected"},
        lambda e, i: e.hands.disconnect(str(i.pk), "web", _network(i, "backend")),
    ),
    "network removed": (
        {"network_missing", "disconnected"},
        lambda e, i: e.hands.remove_network(_network(i, "backend")),
    ),
    "alien": ({"surplus"}, _alien),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_it_is_found_repaired_and_settled_within_two_rounds(
    deed: str, book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    kinds, do = DEEDS[deed]
    volumes = memory_engine.observe(str(book.pk)).volumes
    do(memory_engine, book)
    first = one_round(memory_server)
    assert first is not None
    assert first.drifted == 1
    assert set(book.drifts.values_list("kind", flat=True)) == kinds
    [repair] = work_all()
    assert (repair.kind, repair.state) == ("repair", "succeeded"), repair.reason
    assert repair.requested_by_label == "Berth (reconciler)"
    second = one_round(memory_server)
    assert second is not None
    assert second.drifted == 0
    for drift in book.drifts.all():
        assert drift.settled_at is not None
        assert drift.operation == repair
        assert drift.found
        assert drift.done == "A repair was asked for."
    assert not work_all()
    book.refresh_from_db()
    assert book.state == Instance.State.RUNNING
    seen = memory_engine.observe(str(book.pk))
    assert seen.volumes == volumes
    assert {(each.name, each.state) for each in seen.services} == {
        (name, ContainerState.RUNNING) for name in ("web", "db", "redis")
    }


def test_what_is_found_again_is_written_down_once(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.hands.remove_container(str(book.pk), "web")
    one_round(memory_server)
    [found] = Drift.objects.all()
    one_round(memory_server)
    [again] = Drift.objects.all()
    assert again.pk == found.pk
    assert book.operations.filter(kind="repair").count() == 1


def test_an_instance_in_the_middle_of_an_operation_is_left_to_it(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server, actor: Actor
) -> None:
    instances.restart(instance=book, actor=actor)
    memory_engine.hands.remove_container(str(book.pk), "web")
    seen = one_round(memory_server)
    assert seen is not None
    assert seen.instances == 0
    assert not Drift.objects.exists()


def test_what_was_seen_before_an_operation_ended_says_nothing(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    """The round's list may be from before the end of what ended a moment ago."""
    pass_time()
    book.operations.update(finished_at=timezone.now())
    memory_engine.hands.remove_container(str(book.pk), "web")
    reconcile.whole(memory_server)
    assert not Drift.objects.exists()
    one_round(memory_server)
    assert Drift.objects.exists()


def test_what_was_seen_before_an_operation_ended_degrades_and_recovers_nothing(
    book: Instance, memory_server: Server
) -> None:
    pass_time()
    seen_at = timezone.now()
    book.operations.update(finished_at=timezone.now())
    repairs.degrade(instance=book, reason="It is down.", seen_at=seen_at)
    book.refresh_from_db()
    assert book.state == Instance.State.RUNNING
    Instance.objects.update(state=Instance.State.DEGRADED)
    repairs.recover(instance=book, seen_at=seen_at)
    book.refresh_from_db()
    assert book.state == Instance.State.DEGRADED
    assert not Incident.objects.exists()


def test_a_person_who_is_faster_gets_their_way_and_history_tells_no_repair(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server, actor: Actor
) -> None:
    """The operation came between the look at the containers and the repair."""
    memory_engine.hands.remove_container(str(book.pk), "web")
    stale = Instance.objects.get(pk=book.pk)
    instances.stop(instance=book, actor=actor)
    assert repairs.request_repair(instance=stale, kind=Operation.Kind.REPAIR) is None
    book.refresh_from_db()
    assert book.repairs == 0


def test_what_runs_of_a_stopped_instance_is_stopped_again(
    book: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    instances.stop(instance=book, actor=actor)
    work_off(book)
    memory_engine.hands.start(str(book.pk), "web")
    one_round(memory_server)
    [stop] = work_all()
    assert (stop.kind, stop.state) == ("stop", "succeeded")
    assert stop.requested_by_label == "Berth (reconciler)"
    one_round(memory_server)
    drift = book.drifts.get()
    assert (drift.kind, drift.done) == ("runs", "It was asked to be stopped again.")
    assert drift.settled_at is not None
    book.refresh_from_db()
    assert book.state == Instance.State.STOPPED


def test_what_is_started_again_and_again_is_stopped_ever_later(
    book: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    instances.stop(instance=book, actor=actor)
    work_off(book)
    stops = 0
    for _ in range(20):
        memory_engine.hands.start(str(book.pk), "web")
        one_round(memory_server)
        stops += len(work_all())
    assert 3 <= stops <= 6
    assert "the next attempt comes later" in book.drifts.latest("found_at").done


def test_a_missing_volume_is_never_made_anew(
    book: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    memory_engine.hands.remove_volume(_network(book, "data"))
    for _ in range(3):
        one_round(memory_server)
    assert not work_all()
    book.refresh_from_db()
    assert book.state == Instance.State.DEGRADED
    assert "has to be restored" in book.state_reason
    assert book.drifts.get().done.startswith("Nothing: an empty volume")
    incident = Incident.objects.get(kind="instance_degraded", closed_at=None)
    assert incident.instance == book
    for verb, label in ((instances.restart, "Restart"), (instances.retry, "Provision")):
        Instance.objects.update(state=Instance.State.DEGRADED)
        verb(instance=book, actor=actor)
        operation = work_off(book)
        assert operation.state == Operation.State.FAILED, label
        assert "missing on the server" in operation.reason
    assert _network(book, "data") not in memory_engine.observe(str(book.pk)).volumes


def test_a_stopped_instance_whose_volume_is_missing_has_an_incident_and_does_not_start(
    book: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    instances.stop(instance=book, actor=actor)
    work_off(book)
    name = _network(book, "data")
    memory_engine.hands.remove_volume(name)
    one_round(memory_server)
    book.refresh_from_db()
    assert book.state == Instance.State.STOPPED
    assert Incident.objects.get(closed_at=None).instance == book
    memory_engine.hands.add_stray(
        ObjectKind.VOLUME, name, owner=OWNER, instance=str(book.pk)
    )  # somebody restored it
    one_round(memory_server)
    assert not Incident.objects.filter(closed_at=None).exists()
    memory_engine.hands.remove_volume(name)
    instances.start(instance=book, actor=actor)
    operation = work_off(book)
    assert operation.state == Operation.State.FAILED
    assert "missing on the server" in operation.reason
    assert name not in memory_engine.observe(str(book.pk)).volumes


def test_an_unhealthy_service_is_restarted_and_no_other(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.hands.make_unhealthy(str(book.pk), "web")
    one_round(memory_server)
    [repair] = work_all()
    said = repair.steps.get(name="revive").output
    assert said == "restarting web\n"
    seen = memory_engine.observe(str(book.pk)).service("web")
    assert seen is not None
    assert seen.health is Health.HEALTHY


def test_what_is_called_unhealthy_but_answers_now_is_left_alone(
    book: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The engine's word is from its last check, which may have been while it was paused."""
    memory_engine.hands.make_unhealthy(str(book.pk), "web")
    monkeypatch.setattr(memory_engine, "is_ready", lambda stack, service: True)
    assert one_round(memory_server) == reconcile.Round(instances=1, drifted=0)
    repair = repairs.request_repair(instance=book, kind=Operation.Kind.REPAIR)
    assert repair is not None
    work_all()
    assert repair.steps.get(name="revive").output == "nothing has to be restarted\n"


def test_what_keeps_ending_is_left_to_the_engine_until_that_has_not_helped(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.hands.loop(str(book.pk), "web", restarts=2)
    one_round(memory_server)
    book.refresh_from_db()
    assert book.state == Instance.State.RUNNING
    assert book.drifts.get().done == "The engine starts it again, ever later."
    memory_engine.hands.calm(str(book.pk), "web")
    memory_engine.hands.loop(str(book.pk), "web", restarts=9, exit_code=3)
    one_round(memory_server)
    book.refresh_from_db()
    assert book.state == Instance.State.DEGRADED
    assert "exit code 3" in book.state_reason
    assert not work_all()


def test_only_the_restarts_of_the_service_that_keeps_ending_count(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    """Another one that was restarted often in its long life says nothing about it."""
    memory_engine.hands.loop(str(book.pk), "redis", restarts=40)
    memory_engine.hands.calm(str(book.pk), "redis")
    memory_engine.hands.loop(str(book.pk), "web", restarts=1)
    one_round(memory_server)
    book.refresh_from_db()
    assert book.state == Instance.State.RUNNING


def test_a_degraded_instance_that_is_well_again_recovers_and_its_incident_closes(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.hands.loop(str(book.pk), "web", restarts=9)
    one_round(memory_server)
    assert Incident.objects.get().is_open
    memory_engine.hands.calm(str(book.pk), "web")
    one_round(memory_server)
    book.refresh_from_db()
    assert book.state == Instance.State.DEGRADED  # it may end again any moment
    pass_time(reconcile.QUIET_FOR)
    one_round(memory_server)
    book.refresh_from_db()
    assert (book.state, book.state_reason) == (Instance.State.RUNNING, "")
    assert not Incident.objects.get().is_open
    actions = AuditEvent.objects.filter(object_id=str(book.pk)).values_list("action", flat=True)
    assert {"instance.degraded", "instance.recovered"} <= set(actions)


def test_repairs_that_do_not_hold_come_ever_later_and_degrade_the_instance(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    rounds_with_a_repair = []
    for number in range(24):
        memory_engine.hands.kill(str(book.pk), "web", exit_code=7)
        one_round(memory_server)
        if number == 0:
            assert book.operations.filter(kind="repair", state="queued").exists()
        if work_all():
            rounds_with_a_repair.append(number)
        else:
            memory_engine.hands.start(str(book.pk), "web")
            book.refresh_from_db()
            if book.repairs >= repairs.ATTEMPTS:
                assert book.state == Instance.State.DEGRADED
                assert "exit code 7" in book.state_reason
                assert "the next attempt comes later" in book.drifts.first().done  # type: ignore[union-attr]
    gaps = [later - one for one, later in pairwise(rounds_with_a_repair)]
    assert rounds_with_a_repair[:2] == [0, 1]
    assert gaps == sorted(gaps)
    assert gaps[-1] >= 4
    assert Incident.objects.filter(kind="instance_degraded").exists()


def test_the_pauses_double_up_to_half_an_hour() -> None:
    seconds = [repairs.pause(number).total_seconds() for number in (1, 2, 3, 4, 9, 1000)]
    assert seconds == [10, 20, 40, 80, 1800, 1800]


def test_earlier_repairs_are_forgotten_once_it_was_well_for_long(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.hands.kill(str(book.pk), "web")
    one_round(memory_server)
    work_all()
    one_round(memory_server)
    book.refresh_from_db()
    assert book.repairs == 1
    pass_time(repairs.WELL_AGAIN_AFTER)
    one_round(memory_server)
    book.refresh_from_db()
    assert (book.repairs, book.repair_after) == (0, None)


def test_a_person_who_brings_it_up_starts_the_count_anew(
    book: Instance, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    """What they mended must not wait half an hour for its next repair."""
    Instance.objects.update(repairs=9, repair_after=timezone.now() + timedelta(minutes=30))
    instances.restart(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    assert (book.repairs, book.repair_after) == (0, None)


def test_two_looks_at_the_same_time_keep_other_instances_apart(
    book: Instance,
    order: Order,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
) -> None:
    """A closer look after an event concerns what the event named, and nothing else."""
    other = order("other")
    work_off(other)
    for each in (book, other):
        memory_engine.hands.kill(str(each.pk), "web")
    pass_time()
    reconcile.some(memory_server, [str(book.pk)], {})
    assert Drift.objects.get().instance == book


def test_an_event_about_no_instance_keeps_nothing_from_being_seen(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    """Anybody can start a container with any label."""
    memory_engine.hands.kill(str(book.pk), "web")
    pass_time()
    reconcile.some(memory_server, ["", "not-an-instance", str(book.pk)], {})
    assert Drift.objects.get().instance == book


def test_what_ends_soon_after_each_start_is_degraded_though_no_look_catches_it_down(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    pass_time()
    reconcile.some(memory_server, [str(book.pk)], {str(book.pk): ["web", "unheard-of"]})
    book.refresh_from_db()
    assert book.state == Instance.State.DEGRADED
    assert book.state_reason.startswith("Web keeps ending soon after it was started")
    assert book.drifts.get().subject == "web"


def test_what_ended_again_and_again_before_a_person_stopped_it_says_nothing_afterwards(
    book: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    instances.stop(instance=book, actor=actor)
    work_off(book)
    pass_time()
    reconcile.some(memory_server, [str(book.pk)], {str(book.pk): ["web"]})
    assert not Drift.objects.exists()
    assert not work_all()


def test_one_instance_that_cannot_be_compared_keeps_no_other_from_it(
    book: Instance,
    order: Order,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = order("other")
    work_off(other)
    Instance.objects.filter(pk=book.pk).update(expected={"nonsense": 1})
    memory_engine.hands.kill(str(other.pk), "web")
    memory_engine.hands.add_stray(ObjectKind.CONTAINER, "stray", owner=OWNER)
    assert one_round(memory_server) is not None
    assert Drift.objects.get().instance == other
    assert memory_server.strays.count() == 1
    assert str(book.pk) in caplog.text


def test_one_that_the_engine_cannot_tell_about_keeps_no_other_from_it(
    book: Instance,
    order: Order,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = order("other")
    work_off(other)
    observe = memory_engine.observe

    def look(instance: str) -> object:
        if instance == str(book.pk):
            raise GiveUp("that container can't be read")
        return observe(instance)

    monkeypatch.setattr(memory_engine, "observe", look)
    for each in (book, other):
        memory_engine.hands.kill(str(each.pk), "web")
    one_round(memory_server)
    assert Drift.objects.get().instance == other


def test_an_instance_from_before_there_was_anything_to_expect_is_compared_as_well(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    Instance.objects.update(expected={})
    memory_engine.hands.kill(str(book.pk), "web")
    one_round(memory_server)
    assert Drift.objects.get().kind == "stopped"
    book.refresh_from_db()
    for secret in InstanceSecret.objects.filter(instance=book):
        assert secret.reveal() not in str(book.expected)


def test_a_name_longer_than_the_column_stops_nothing(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.hands.add_stray(
        ObjectKind.CONTAINER, "x" * 300, owner=OWNER, instance=str(book.pk)
    )
    for _ in range(2):
        one_round(memory_server)
    drift = Drift.objects.get()
    assert drift.subject == "x" * 200
    work_all()
    assert len(memory_engine.observe(str(book.pk)).services) == 3


def test_a_silent_server_is_no_drift(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.faults.is_unavailable = True
    assert one_round(memory_server) is None
    memory_server.refresh_from_db()
    assert memory_server.failures == 1
    assert not Drift.objects.exists()
    book.refresh_from_db()
    assert book.state == Instance.State.RUNNING


def test_a_failed_or_new_instance_is_left_to_people(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    for state in (Instance.State.FAILED, Instance.State.NEW):
        Instance.objects.update(state=state)
        memory_engine.hands.remove_container(
            str(book.pk), "web" if state == Instance.State.FAILED else "redis"
        )
        one_round(memory_server)
    assert not Drift.objects.exists()
    assert not memory_server.strays.exists()


def test_settled_drifts_are_forgotten_after_a_while_and_open_ones_never(book: Instance) -> None:
    for kind in ("missing", "stopped", "paused"):
        Drift.objects.create(instance=book, kind=kind, subject="web", found="x")
    now = timezone.now()
    Drift.objects.filter(kind="missing").update(settled_at=now - repairs.KEPT)
    Drift.objects.filter(kind="stopped").update(settled_at=now - timedelta(days=1))
    repairs.forget_old_drifts()
    assert set(Drift.objects.values_list("kind", flat=True)) == {"stopped", "paused"}


@pytest.fixture
def many(
    order: Order, small: Plan, memory_server: Server, memory_engine: MemoryEngine, work_off: WorkOff
) -> Callable[[int], None]:
    """Bring so many instances up."""

    def bring_up(count: int) -> None:
        Server.objects.update(cpus=1000, memory_mb=2**20, disk_gb=10**5)
        for number in range(count):
            work_off(order(f"book-{Instance.objects.count()}-{number}"))

    return bring_up


def test_a_whole_round_asks_ten_questions_at_most_however_much_runs(
    many: Callable[[int], None], memory_server: Server
) -> None:
    many(3)
    few = _queries(memory_server, instances=3)
    many(27)
    many_more = _queries(memory_server, instances=30)
    assert many_more == few
    assert few <= 10


def _queries(server: Server, *, instances: int) -> int:
    pass_time()
    server.refresh_from_db()
    with CaptureQueriesContext(
        connection,
    ) as asked:
        seen = reconcile.whole(server)
    assert seen == reconcile.Round(instances=instances, drifted=0)
    return len(asked)


def test_each_instance_gets_its_closer_look_even_where_every_second_round_is_left_out(
    many: Callable[[int], None],
    memory_engine: MemoryEngine,
    memory_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Changed limits show in no list; without the watch process a round comes once a minute."""
    many(8)
    monkeypatch.setattr(reconcile, "CLOSER_LOOKS", 6)  # of 24 containers: four turns
    observed = memory_engine.observe_all(OWNER)
    start = timezone.now()
    looked: set[str] = set()
    for minute in range(2):
        now = start + timedelta(minutes=minute)
        looked |= reconcile._due_for_a_closer_look(
            observed, since=now - timedelta(minutes=1), now=now
        )
    assert looked == set(observed)
