"""No work is begun on a server whose disk is nearly full."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hosting.engines.memory import MemoryEngine
from hosting.models import Incident, Instance, Operation, Server
from hosting.services import instances
from tenants.errors import Refused
from tenants.services.actors import Actor
from tests.hosting.rounds import one_round

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db
SHORT = 10**9


def test_an_order_is_refused_in_one_sentence_and_writes_nothing(
    order: Order, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.faults.disk_free_bytes = SHORT
    one_round(memory_server)
    with pytest.raises(Refused) as refused:
        order("book")
    assert str(refused.value) == "No server has enough free disk to take anything new."
    assert refused.value.field == "plan"
    assert not Instance.objects.exists()


def test_another_server_with_room_takes_the_order(
    order: Order, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.faults.disk_free_bytes = SHORT
    one_round(memory_server)
    roomy = Server.objects.create(
        name="roomy", engine="memory", endpoint="memory:roomy", cpus=4, memory_mb=2048, disk_gb=50
    )
    assert order("book").server == roomy


def test_a_provisioning_that_was_accepted_fails_before_anything_is_made(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff
) -> None:
    instance = order("book")
    memory_engine.faults.disk_free_bytes = SHORT
    operation = work_off(instance)
    assert operation.state == Operation.State.FAILED
    assert operation.reason == (
        "Server memory has 1.0 GB of disk free, and 5 GB are kept back;"
        " make room there, then try again."
    )
    assert operation.steps.get(state="failed").name == "room"
    assert memory_engine.observe(str(instance.pk)).is_gone


def test_trying_again_is_refused_while_it_is_full_and_works_once_there_is_room(
    order: Order,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    instance = order("book")
    memory_engine.faults.disk_free_bytes = SHORT
    work_off(instance)
    incident = Incident.objects.get()
    assert (incident.kind, incident.is_open) == ("disk_low", True)
    assert incident.summary == ("Server memory has 1.0 GB of disk free, and 5 GB are kept back.")
    with pytest.raises(Refused, match="nothing new is brought up there"):
        instances.retry(instance=instance, actor=actor)
    memory_engine.faults.disk_free_bytes = 50 * SHORT
    one_round(memory_server)
    incident.refresh_from_db()
    assert not incident.is_open
    instances.retry(instance=instance, actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED


def test_what_runs_goes_on_and_may_be_started_stopped_and_deleted(
    order: Order,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    """Keeping it down would help nobody, and deleting makes room."""
    instance = order("book")
    work_off(instance)
    memory_engine.faults.disk_free_bytes = SHORT
    one_round(memory_server)
    for verb in (instances.restart, instances.stop, instances.start):
        verb(instance=instance, actor=actor)
        assert work_off(instance).state == Operation.State.SUCCEEDED
    instances.delete(instance=instance, confirmation="book", actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED
