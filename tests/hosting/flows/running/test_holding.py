"""When an instance's requests are held, and when no longer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from hosting.engines.errors import GiveUp, TryLater
from hosting.engines.memory import MemoryEngine
from hosting.models import Instance, Operation, OperationStep, Server
from hosting.selectors import sites
from hosting.services import instances
from tenants.services.actors import Actor

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def running(order: Order, memory_engine: MemoryEngine, work_off: WorkOff) -> Instance:
    instance = order("book")
    assert work_off(instance).state == Operation.State.SUCCEEDED
    return instance


@pytest.fixture
def shown(memory_engine: MemoryEngine) -> list[str]:
    """What the edge was to show, each time that the engine was about to change something."""
    states: list[str] = []
    memory_engine.faults.before_change = lambda line: states.append(state())
    return states


def state() -> str:
    (site,) = sites.all_sites()
    return site.state


def test_a_restart_holds_until_the_app_is_routed_again(
    running: Instance, work_off: WorkOff, actor: Actor, shown: list[str]
) -> None:
    assert state() == "serving"
    operation = instances.restart(instance=running, actor=actor)
    assert work_off(running).state == Operation.State.SUCCEEDED
    assert set(shown) == {"holding"}
    assert state() == "serving"
    assert (running.is_held, running.held_for) == (False, None)
    assert operation.steps.order_by("position")[0].title == "Hold requests"


@pytest.mark.parametrize("verb", ["stop", "delete"])
def test_what_is_to_go_is_not_held(
    verb: str, running: Instance, work_off: WorkOff, actor: Actor, shown: list[str]
) -> None:
    if verb == "stop":
        instances.stop(instance=running, actor=actor)
    else:
        instances.delete(instance=running, confirmation="book", actor=actor)
    assert work_off(running).state == Operation.State.SUCCEEDED
    assert shown
    assert "holding" not in shown


def test_a_change_that_is_put_off_holds_until_it_goes_on(
    running: Instance,
    work_off: WorkOff,
    actor: Actor,
    memory_engine: MemoryEngine,
    memory_server: Server,
) -> None:
    memory_engine.faults.is_unavailable = True
    operation = instances.restart(instance=running, actor=actor)
    assert work_off(running).state == Operation.State.QUEUED
    assert operation.steps.get(name="hold").state == OperationStep.State.DONE
    assert (running.is_held, state()) == (True, "holding")

    memory_engine.faults.is_unavailable = False
    due = timezone.now() - timedelta(seconds=1)
    Operation.objects.filter(pk=operation.pk).update(run_after=due)
    Server.objects.update(retry_at=due)
    assert work_off(running).state == Operation.State.SUCCEEDED
    assert state() == "serving"


def test_the_step_may_be_run_twice(
    running: Instance, work_off: WorkOff, actor: Actor, memory_engine: MemoryEngine
) -> None:
    def busy(line: str) -> None:
        raise TryLater("the engine is busy")

    memory_engine.faults.before_change = busy
    operation = instances.restart(instance=running, actor=actor)
    assert work_off(running).state == Operation.State.QUEUED
    operation.steps.update(state=OperationStep.State.PENDING)  # as if its worker had been killed
    memory_engine.faults.before_change = lambda line: None
    Operation.objects.filter(pk=operation.pk).update(run_after=timezone.now())
    assert work_off(running).state == Operation.State.SUCCEEDED
    said = operation.steps.get(name="hold").output
    assert "nothing to hold" not in said
    assert state() == "serving"


def test_a_change_that_fails_ends_the_hold(
    running: Instance, work_off: WorkOff, actor: Actor, memory_engine: MemoryEngine
) -> None:
    def broken(line: str) -> None:
        raise GiveUp("the image is broken")

    memory_engine.faults.before_change = broken
    instances.restart(instance=running, actor=actor)
    assert work_off(running).state == Operation.State.FAILED
    assert (running.is_held, state()) == (False, "failed")

    # What was not served before is not held either: its page is no surprise to anybody.
    memory_engine.faults.before_change = lambda line: None
    again = instances.restart(instance=running, actor=actor)
    assert work_off(running).state == Operation.State.SUCCEEDED
    assert "nothing to hold" in again.steps.get(name="hold").output
    assert state() == "serving"


def test_what_is_held_has_an_address_and_is_not_routed(running: Instance) -> None:
    rows = Instance.objects.filter(pk=running.pk)
    operation = running.operations.get()
    for wrong in ({}, {"is_routed": False, "web_address": None}):
        with pytest.raises(IntegrityError, match="held_instances"), transaction.atomic():
            rows.update(held_for=operation, **wrong)
