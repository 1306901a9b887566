"""A server is compared with what it should run, and what differs is put right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ContainerState, ObjectKind
from hosting.flows.watching import reconcile
from hosting.models import Drift, Incident, Instance, InstanceSecret, Operation, Server
from hosting.services import instances, repairs
from tenants.services.actors import Actor
from tests.conftest import OWNER
from tests.hosting.rounds import one_round, pass_time, work_all

Deed = Callable[[MemoryEngine, Instance], object]
pytestmark = pytest.mark.django_db


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
