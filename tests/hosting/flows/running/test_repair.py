"""The operation that puts an instance right, and how it stands beside what people ask for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hosting.engines.memory import MemoryEngine
from hosting.flows.watching import reconcile
from hosting.models import Drift, Incident, Instance, Operation, OperationStep, Server
from hosting.services import instances, repairs, servers
from hosting.services.working import leases, operations, progress
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services.actors import Actor
from tests.hosting.rounds import one_round, pass_time, work_all
from tests.tenants.threads import at_once

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db


@pytest.fixture
def broken(
    order: Order, memory_engine: MemoryEngine, memory_server: Server, work_off: WorkOff
) -> Instance:
    """It runs, but for its web service, and a repair was asked for."""
    instance = order("book")
    work_off(instance)
    memory_engine.hands.remove_container(str(instance.pk), "web")
    one_round(memory_server)
    assert instance.operations.get(state="queued").kind == "repair"
    return instance


@pytest.mark.parametrize("verb", ["stop", "restart", "delete"])
def test_a_repair_that_waits_gives_way_to_a_person(
    verb: str, broken: Instance, work_off: WorkOff, actor: Actor
) -> None:
    extra = {"confirmation": "book"} if verb == "delete" else {}
    getattr(instances, verb)(instance=broken, actor=actor, **extra)
    repair = broken.operations.get(kind="repair")
    assert repair.state == Operation.State.CANCELLED
    assert repair.reason == f"Gave way to “{verb.capitalize()}”."
    assert AuditEvent.objects.filter(action="operation.cancelled").count() == 1
    assert work_off(broken).state == Operation.State.SUCCEEDED


def test_a_repair_gives_way_only_to_what_is_possible(broken: Instance, actor: Actor) -> None:
    with pytest.raises(Refused, match="not possible now"):
        instances.start(instance=broken, actor=actor)
    assert broken.operations.get(kind="repair").state == Operation.State.QUEUED


def test_a_repair_that_is_worked_on_is_named_in_the_refusal(broken: Instance, actor: Actor) -> None:
    repair = broken.operations.get(kind="repair")
    assert leases.claim(operation_id=repair.pk, worker="busy") is not None
    with pytest.raises(Refused) as refused:
        instances.stop(instance=broken, actor=actor)
    assert str(refused.value) == (
        "book is busy: “Repair” was asked for by Berth (reconciler) and has not ended yet."
    )


def test_a_repair_never_pushes_in_front_of_a_person(broken: Instance, actor: Actor) -> None:
    instances.restart(instance=broken, actor=actor)
    assert repairs.request_repair(instance=broken, kind=Operation.Kind.REPAIR) is None
    assert broken.operations.get(state="queued").kind == "restart"


def test_no_person_can_ask_for_a_repair(broken: Instance, alice: object) -> None:
    broken.operations.filter(state="queued").delete()
    person = Actor(id="1", label="Alice")
    with pytest.raises(Refused, match="not possible now"):
        operations.request(instance=broken, kind=Operation.Kind.REPAIR, actor=person)


def test_a_repair_that_fails_leaves_the_instance_degraded_with_one_incident(
    broken: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.hands.loop(str(broken.pk), "db", restarts=9, exit_code=2)
    for _ in range(3):
        work_all()
        one_round(memory_server)
    broken.refresh_from_db()
    assert broken.state == Instance.State.DEGRADED
    assert "db" in broken.state_reason.lower()
    assert Incident.objects.filter(kind="instance_degraded").count() == 1


def test_a_repair_that_succeeds_closes_the_incident(
    broken: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    repair = broken.operations.get(kind="repair")
    memory_engine.faults.missing_images.add("berth.local/guestbook:2")
    work_all()
    assert Incident.objects.get().is_open
    memory_engine.faults.missing_images.clear()
    pass_time()
    one_round(memory_server)
    work_all()
    broken.refresh_from_db()
    assert broken.state == Instance.State.RUNNING
    assert not Incident.objects.get().is_open
    assert broken.operations.filter(kind="repair").exclude(pk=repair.pk).get().state == "succeeded"


def test_a_repair_that_was_called_off_half_way_is_tried_again(
    broken: Instance, memory_server: Server, actor: Actor
) -> None:
    """It does not leave a failed instance behind, which only a person could bring back."""
    repair = broken.operations.get(kind="repair")
    lease = leases.claim(operation_id=repair.pk, worker="w")
    assert lease is not None
    progress.plan(lease=lease, steps=[("look", "Look")])
    progress.begin(lease=lease, name="look")
    leases.postpone(lease=lease, reason="later", delay=repairs.pause(0))
    operations.cancel(operation_id=repair.pk, actor=actor)
    work_all()
    repair.refresh_from_db()
    broken.refresh_from_db()
    assert (repair.state, broken.state) == ("cancelled", "degraded")
    pass_time()
    one_round(memory_server)
    [again] = work_all()
    broken.refresh_from_db()
    assert (again.kind, again.state, broken.state) == ("repair", "succeeded", "running")


def test_nothing_is_restarted_that_is_healthy(
    broken: Instance, memory_engine: MemoryEngine
) -> None:
    before = {
        each.name: each.container_id for each in memory_engine.observe(str(broken.pk)).services
    }
    [repair] = work_all()
    assert repair.steps.get(name="revive").output == "nothing has to be restarted\n"
    after = {
        each.name: each.container_id for each in memory_engine.observe(str(broken.pk)).services
    }
    assert before.items() < after.items()
    assert set(after) - set(before) == {"web"}


def test_a_repair_looks_for_the_data_first(broken: Instance, memory_engine: MemoryEngine) -> None:
    memory_engine.hands.remove_volume(f"{broken.project}-data")
    [repair] = work_all()
    assert repair.state == Operation.State.FAILED
    assert repair.steps.get(state=OperationStep.State.FAILED).name == "look"
    assert f"{broken.project}-data" not in memory_engine.observe(str(broken.pk)).volumes


def test_a_server_that_is_being_emptied_repairs_nothing(
    broken: Instance, memory_server: Server, actor: Actor
) -> None:
    broken.operations.filter(state="queued").delete()
    Server.objects.update(availability=Server.Availability.DRAINING)
    Instance.objects.update(repair_after=None)
    pass_time()
    one_round(memory_server)
    assert not work_all()
    assert Drift.objects.get().settled_at is None
    servers.reopen(server=memory_server, actor=actor)
    one_round(memory_server)
    assert [each.kind for each in work_all()] == ["repair"]


@pytest.mark.django_db(transaction=True)
def test_two_rounds_at_the_same_moment_ask_for_one_repair(
    order: Order, memory_engine: MemoryEngine, memory_server: Server, work_off: WorkOff
) -> None:
    books = [order(f"book-{number}") for number in range(3)]
    for book in books:
        work_off(book)
        memory_engine.hands.kill(str(book.pk), "web")
    pass_time()

    def compare() -> object:
        return reconcile.whole(Server.objects.get(pk=memory_server.pk))

    for future in at_once(compare, compare, compare):
        assert future.result() is not None
    for book in books:
        assert book.operations.filter(kind="repair").count() == 1
        book.refresh_from_db()
        assert book.repairs == 1
        assert book.drifts.count() == 1
