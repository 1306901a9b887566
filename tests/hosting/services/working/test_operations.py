"""Which change an instance may be asked for, when, and how it is called off."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction

from hosting.engines.errors import GiveUp
from hosting.engines.memory import MemoryEngine
from hosting.models import Instance, Operation, Server
from hosting.services import instances
from hosting.services.working import operations
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services.actors import Actor

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db(transaction=True)
SAVED = ("backup", "restore", "revert")


def test_it_refuses_a_second_operation_and_names_the_first(
    order: Order, memory_server: Server, actor: Actor
) -> None:
    instance = order("book")
    with pytest.raises(Refused) as refused:
        instances.delete(instance=instance, confirmation="book", actor=actor)
    assert refused.value.message == (
        "book is busy: “Provision” was asked for by Berth (test) and has not ended yet."
    )


def test_the_database_itself_holds_one_active_operation_an_instance(
    order: Order, memory_server: Server
) -> None:
    instance = order("book")
    with pytest.raises(IntegrityError), transaction.atomic():
        Operation.objects.create(instance=instance, kind="stop", requested_by_label="nobody")


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        ("new", {"provision", "delete"}),
        ("running", {"stop", "restart", "upgrade", *SAVED, "delete"}),
        ("stopped", {"start", "upgrade", *SAVED, "delete"}),
        ("degraded", {"provision", "stop", "restart", "upgrade", *SAVED, "delete"}),
        ("failed", {"provision", "stop", "restart", *SAVED, "delete"}),
    ],
)
def test_it_allows_what_fits_the_state(
    order: Order, memory_server: Server, work_off: WorkOff, state: str, kinds: set[str]
) -> None:
    instance = order("book")
    work_off(instance)
    if state == "new":
        Instance.objects.update(first_running_at=None)
    Instance.objects.update(state=state)
    instance.refresh_from_db()
    assert set(operations.allowed_kinds(instance)) == kinds


def test_it_refuses_what_does_not_fit_the_state(
    order: Order, memory_server: Server, work_off: WorkOff, actor: Actor
) -> None:
    instance = order("book")
    work_off(instance)
    with pytest.raises(Refused, match="book is running: “Start” is not possible now"):
        instances.start(instance=instance, actor=actor)


def test_it_calls_off_an_operation_that_nobody_works_on(
    order: Order, memory_server: Server, work_off: WorkOff, actor: Actor
) -> None:
    instance = order("book")
    operation = instance.operations.get()
    operations.cancel(operation_id=operation.pk, actor=actor)
    ended = work_off(instance)
    assert ended.state == Operation.State.CANCELLED
    assert instance.state == Instance.State.FAILED
    assert set(operations.allowed_kinds(instance)) == {"provision", "delete"}
    assert AuditEvent.objects.filter(action="operation.cancel_requested").count() == 1


def test_it_leaves_an_instance_as_it_was_when_a_stop_is_called_off_before_it_began(
    order: Order, memory_server: Server, work_off: WorkOff, actor: Actor
) -> None:
    instance = order("book")
    work_off(instance)
    operation = instances.stop(instance=instance, actor=actor)
    operations.cancel(operation_id=operation.pk, actor=actor)
    work_off(instance)
    assert instance.state == Instance.State.RUNNING


def test_it_refuses_to_call_off_what_has_ended_or_deletes(
    order: Order, memory_server: Server, work_off: WorkOff, actor: Actor
) -> None:
    instance = order("book")
    ended = work_off(instance)
    with pytest.raises(Refused, match="It has ended already: succeeded"):
        operations.cancel(operation_id=ended.pk, actor=actor)
    deletion = instances.delete(instance=instance, confirmation="book", actor=actor)
    with pytest.raises(Refused, match="can't be called off"):
        operations.cancel(operation_id=deletion.pk, actor=actor)


def test_a_deletion_that_the_engine_refuses_stays_pending_and_nothing_else_is_possible(
    order: Order,
    memory_server: Server,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    instance = order("book")
    work_off(instance)
    instances.delete(instance=instance, confirmation="book", actor=actor)
    memory_engine.faults.before_change = _give_up
    deletion = work_off(instance)
    assert (deletion.state, deletion.reason) == (Operation.State.QUEUED, "the disk is broken")
    assert operations.allowed_kinds(instance) == ("delete",)
    with pytest.raises(Refused, match="“Delete” was asked for"):
        instances.restart(instance=instance, actor=actor)


def _give_up(line: str) -> None:
    raise GiveUp("the disk is broken")
