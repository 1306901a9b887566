"""Asking for changes of instances, and calling them off."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from hosting.models import ACTIVE_STATES, Instance, Operation
from hosting.services import doorbell
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

_State = Instance.State
_Kind = Operation.Kind

# From which states an instance may be asked for what.
ALLOWED: dict[str, tuple[str, ...]] = {
    _Kind.PROVISION: (_State.NEW, _State.FAILED, _State.DEGRADED),
    _Kind.START: (_State.STOPPED,),
    _Kind.STOP: (_State.RUNNING, _State.DEGRADED, _State.FAILED),
    _Kind.RESTART: (_State.RUNNING, _State.DEGRADED, _State.FAILED),
    _Kind.DELETE: (_State.NEW, _State.RUNNING, _State.STOPPED, _State.DEGRADED, _State.FAILED),
}


def allowed_kinds(instance: Instance) -> tuple[str, ...]:
    """What the instance may be asked for in its state, leaving aside who asks."""
    if instance.delete_requested_at and instance.state != _State.DELETED:
        return (_Kind.DELETE,)  # the deletion failed half-way: nothing else may start on its ruins
    return tuple(
        kind
        for kind, states in ALLOWED.items()
        if instance.state in states and (kind not in _RAN or instance.first_running_at)
    )


_RAN = (_Kind.START, _Kind.STOP, _Kind.RESTART)  # make sense only once it has run


def request(*, instance: Instance, kind: str, actor: Actor) -> Operation:
    """Accept a change of the instance: one row, one audit event, and the doorbell on commit.

    The caller is in a transaction. Raises ``Refused`` when the instance is busy, naming the
    operation that is going on, or not in a state for it.
    """
    locked = Instance.objects.select_for_update().get(pk=instance.pk)
    busy = Operation.objects.filter(instance=locked, state__in=ACTIVE_STATES).first()
    if busy is not None:
        raise Refused(
            f"{locked.name} is busy: “{busy.get_kind_display()}” was asked for by"
            f" {busy.requested_by_label} and has not ended yet."
        )
    if kind not in allowed_kinds(locked):
        raise Refused(
            f"{locked.name} is {locked.get_state_display().lower()}:"
            f" “{_Kind(kind).label}” is not possible now."
        )
    if kind == _Kind.DELETE and locked.delete_requested_at is None:
        locked.delete_requested_at = timezone.now()
        locked.save(update_fields=["delete_requested_at"])
    operation = Operation.objects.create(
        instance=locked,
        kind=kind,
        requested_by_id=actor.id or None,
        requested_by_label=actor.label,
    )
    audit.record(
        action=f"instance.{kind}_requested",
        actor=actor,
        client=locked.client,
        obj=locked,
        after={"operation": str(operation.pk)},
    )
    transaction.on_commit(lambda: doorbell.ring(operation_id=operation.pk))
    return operation


@transaction.atomic
def cancel(*, operation_id: uuid.UUID, actor: Actor) -> Operation:
    """Call an operation off: at once where nobody works on it, else at its next safe point.

    Raises ``Refused`` when it has ended.
    """
    operation = Operation.objects.select_for_update().get(pk=operation_id)
    if not operation.is_active:
        raise Refused(f"It has ended already: {operation.get_state_display().lower()}.")
    if operation.kind == _Kind.DELETE:
        raise Refused("A deletion that has been accepted can't be called off.")
    if operation.cancel_requested_at is None:
        operation.cancel_requested_at = timezone.now()
        operation.run_after = Now()  # a worker ends it, and knows what is left behind
        operation.save(update_fields=["cancel_requested_at", "run_after"])
        audit.record(
            action="operation.cancel_requested",
            actor=actor,
            client=operation.instance.client,
            obj=operation.instance,
            after={"operation": str(operation.pk)},
        )
        transaction.on_commit(lambda: doorbell.ring(operation_id=operation.pk))
    return operation
