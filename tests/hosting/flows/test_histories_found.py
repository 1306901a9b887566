"""What the histories have found so far, each told plainly."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ContainerState, ObjectKind
from hosting.flows import base
from hosting.flows.moments import Moment
from hosting.flows.watching import reconcile
from hosting.flows.working import runner
from hosting.models import Instance, Operation, OperationStep, Server
from hosting.services import instances
from hosting.services.working import operations
from tenants.services.actors import Actor

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db(transaction=True)


class Died(BaseException):
    """The worker's process is gone."""


def _die_at(monkeypatch: pytest.MonkeyPatch, operation: Operation, *where: str) -> None:
    """Work on it up to that step and moment, and let the lease run out."""

    def reached(kind: str, *now: str) -> None:
        if now == where:
            raise Died

    with monkeypatch.context() as patch:
        patch.setattr(base, "reached", reached)
        with pytest.raises(Died):
            runner.run(operation.pk)
    past = timezone.now() - timedelta(seconds=1)
    Operation.objects.filter(pk=operation.pk).update(lease_expires_at=past)


def _a_while_later() -> None:
    """The reconciler does not believe what it saw of an instance just after an operation."""
    earlier = timezone.now() - timedelta(minutes=1)
    Operation.objects.exclude(finished_at=None).update(finished_at=earlier)
    Instance.objects.update(repair_after=None)


def test_a_step_does_not_run_on_in_an_operation_that_was_called_off(
    order: Order,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance = order("book")
    operation = instance.operations.get()
    _die_at(monkeypatch, operation, "prepare", Moment.BEFORE)
    operations.cancel(operation_id=operation.pk, actor=actor)
    operation = work_off(instance)
    assert operation.state == Operation.State.CANCELLED
    assert not operation.steps.filter(state=OperationStep.State.RUNNING).exists()


def test_a_step_does_not_run_on_after_an_error_of_berths_own(
    order: Order, memory_engine: MemoryEngine
) -> None:
    def bug(line: str) -> None:
        raise ZeroDivisionError

    memory_engine.faults.before_change = bug
    operation = order("book").operations.get()
    with pytest.raises(ZeroDivisionError):
        runner.run(operation.pk)
    assert operation.steps.get(state=OperationStep.State.FAILED).name == "prepare"
    assert not operation.steps.filter(state=OperationStep.State.RUNNING).exists()


def test_a_stranger_under_the_label_of_a_stopped_instance_is_stopped_once(
    order: Order,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    """It was asked to be stopped again and again, for ever: no step knew of it."""
    instance = order("book")
    work_off(instance)
    instances.stop(instance=instance, actor=actor)
    work_off(instance)
    memory_engine.hands.add_stray(
        ObjectKind.CONTAINER, "stranger", owner=settings.BERTH_OWNER, instance=str(instance.pk)
    )
    _a_while_later()
    reconcile.whole(memory_server)
    assert work_off(instance).kind == Operation.Kind.STOP
    seen = memory_engine.observe(str(instance.pk)).services
    assert {each.state for each in seen} == {ContainerState.EXITED}
    _a_while_later()
    told = reconcile.whole(memory_server)
    assert told is not None
    assert told.drifted == 0
    assert instance.operations.count() == 3


def test_a_deletion_removes_what_turned_up_after_it_had_removed_everything(
    order: Order,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as by a call of a dead worker that came through late; it stayed pending for ever."""
    instance = order("book")
    work_off(instance)
    operation = instances.delete(instance=instance, confirmation="book", actor=actor)
    _die_at(monkeypatch, operation, "remove", Moment.AFTER)
    memory_engine.hands.add_stray(
        ObjectKind.CONTAINER, "late", owner=settings.BERTH_OWNER, instance=str(instance.pk)
    )
    assert work_off(instance).state == Operation.State.SUCCEEDED
    assert instance.state == Instance.State.DELETED
    assert memory_engine.observe(str(instance.pk)).is_gone


def test_a_retry_that_is_called_off_before_it_began_leaves_a_degraded_instance_degraded(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    """As failed it would not be looked after any more."""
    instance = order("book")
    work_off(instance)
    Instance.objects.update(state=Instance.State.DEGRADED)
    operation = instances.retry(instance=instance, actor=actor)
    operations.cancel(operation_id=operation.pk, actor=actor)
    assert work_off(instance).state == Operation.State.CANCELLED
    assert instance.state == Instance.State.DEGRADED
