"""What runs of a stopped instance is stopped again; what lost its data is not brought up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ObjectKind
from hosting.flows.watching import reconcile
from hosting.models import Drift, Incident, Instance, Operation, Server
from hosting.services import instances
from tenants.services.actors import Actor
from tests.conftest import OWNER
from tests.hosting.rounds import one_round, pass_time, state_after_a_round, work_all

WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db


def _network(instance: Instance, name: str) -> str:
    return f"{instance.project}-{name}"


def test_what_runs_of_a_stopped_instance_is_stopped_again(
    stopped: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.hands.start(str(stopped.pk), "web")
    one_round(memory_server)
    [stop] = work_all()
    assert (stop.kind, stop.state) == ("stop", "succeeded")
    assert stop.requested_by_label == "Berth (reconciler)"
    one_round(memory_server)
    drift = stopped.drifts.get()
    assert (drift.kind, drift.done) == ("runs", "It was asked to be stopped again.")
    assert drift.settled_at is not None
    stopped.refresh_from_db()
    assert stopped.state == Instance.State.STOPPED


def test_what_is_started_again_and_again_is_stopped_ever_later(
    stopped: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    stops = 0
    for _ in range(20):
        memory_engine.hands.start(str(stopped.pk), "web")
        one_round(memory_server)
        stops += len(work_all())
    assert 3 <= stops <= 6
    assert "the next attempt comes later" in stopped.drifts.latest("found_at").done


def test_what_ended_again_and_again_before_a_person_stopped_it_says_nothing_afterwards(
    stopped: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    pass_time()
    reconcile.some(memory_server, [str(stopped.pk)], {str(stopped.pk): ["web"]})
    assert not Drift.objects.exists()
    assert not work_all()


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
    stopped: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    name = _network(stopped, "data")
    memory_engine.hands.remove_volume(name)
    assert state_after_a_round(memory_server, stopped) == Instance.State.STOPPED
    assert Incident.objects.get(closed_at=None).instance == stopped
    memory_engine.hands.add_stray(
        ObjectKind.VOLUME, name, owner=OWNER, instance=str(stopped.pk)
    )  # somebody restored it
    one_round(memory_server)
    assert not Incident.objects.filter(closed_at=None).exists()
    memory_engine.hands.remove_volume(name)
    instances.start(instance=stopped, actor=actor)
    operation = work_off(stopped)
    assert operation.state == Operation.State.FAILED
    assert "missing on the server" in operation.reason
    assert name not in memory_engine.observe(str(stopped.pk)).volumes
