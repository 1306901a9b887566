"""Asking for changes of instances, and calling them off."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from hosting.models import ACTIVE_STATES, Instance, Operation, Server
from hosting.selectors import disk
from hosting.services.working import doorbell
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
    _Kind.BACKUP: (_State.RUNNING, _State.DEGRADED, _State.STOPPED, _State.FAILED),
    _Kind.RESTORE: (_State.RUNNING, _State.DEGRADED, _State.STOPPED, _State.FAILED),
    _Kind.REVERT: (_State.RUNNING, _State.DEGRADED, _State.STOPPED, _State.FAILED),
    _Kind.UPGRADE: (_State.RUNNING, _State.DEGRADED, _State.STOPPED),
    _Kind.DELETE: (_State.NEW, _State.RUNNING, _State.STOPPED, _State.DEGRADED, _State.FAILED),
}


def allowed_kinds(instance: Instance) -> tuple[str, ...]:
    """What a person may ask of the instance in its state, leaving aside who it is."""
    if instance.delete_requested_at and instance.state != _State.DELETED:
        return (_Kind.DELETE,)  # the deletion failed half-way: nothing else may start on its ruins
    return tuple(
        kind
        for kind, states in ALLOWED.items()
        if instance.state in states
        and (kind not in _RAN or instance.first_running_at)
        and (kind not in BRINGS_UP or not instance.suspended_at)
    )


# What Berth asks for by itself, when the engine shows something else than it should.
BY_ITSELF: dict[str, tuple[str, ...]] = {
    _Kind.REPAIR: (_State.RUNNING, _State.DEGRADED),
    _Kind.STOP: (_State.STOPPED,),  # started again behind its back
}
_RAN = (  # make sense only once it has run
    *(_Kind.START, _Kind.STOP, _Kind.RESTART),
    *(_Kind.BACKUP, _Kind.RESTORE, _Kind.REVERT, _Kind.UPGRADE),
)
BRINGS_UP = (
    *(_Kind.PROVISION, _Kind.CLONE, _Kind.START, _Kind.RESTART, _Kind.REPAIR),
    *(_Kind.RESTORE, _Kind.REVERT, _Kind.UPGRADE),
)
# What brings an instance up whose first data is a backup's, by what it is for.
FILLS = {
    Instance.Purpose.CLIENT: _Kind.CLONE,
    Instance.Purpose.RESTORE_TEST: _Kind.RESTORE_TEST,
    Instance.Purpose.REHEARSAL: _Kind.REHEARSAL,
}
# What Berth asks for and takes back, until somebody works on it, and in whose name.
GIVES_WAY: dict[str, Actor] = {
    _Kind.REPAIR: Actor.system("reconciler"),
    _Kind.BACKUP: Actor.system("backups"),
}


def request(
    *, instance: Instance, kind: str, actor: Actor, told: Mapping[str, str] | None = None
) -> Operation:
    """Accept a change of the instance: one row, one audit event, and the doorbell on commit.

    ``told`` is what else the event says of it. The caller is in a transaction. Raises ``Refused``
    when the instance is busy, naming the operation that is going on, or not in a state for it.
    """
    locked = Instance.objects.select_for_update(no_key=True).get(pk=instance.pk)
    if kind in BRINGS_UP:
        refuse_suspended(locked)
    _refuse_busy(locked, kind, is_own=kind in GIVES_WAY and not actor.id)
    if kind not in allowed_kinds(locked) and not _is_by_itself(locked, kind, actor):
        raise Refused(
            f"{locked.name} is {locked.get_state_display().lower()}:"
            f" “{_Kind(kind).label}” is not possible now."
        )
    _refuse_on_server(locked.server, locked, kind)
    if kind == _Kind.PROVISION and locked.is_to_be_filled:  # it never comes up without its data
        kind = FILLS[Instance.Purpose(locked.purpose)]
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
        client=locked.audit_client,
        obj=locked,
        after={"operation": str(operation.pk), **(told or {})},
    )
    transaction.on_commit(lambda: doorbell.ring(operation_id=operation.pk))
    return operation


def refuse_suspended(instance: Instance) -> None:
    """Raise ``Refused`` with the reason where the instance is suspended."""
    if instance.suspended_at:
        raise Refused(f"{instance.name} is suspended: {instance.suspended_for}")


def _refuse_busy(instance: Instance, kind: str, *, is_own: bool) -> None:
    """Raise ``Refused`` naming what is going on. What Berth wants by itself gives way."""
    busy = Operation.objects.filter(instance=instance, state__in=ACTIVE_STATES).first()
    if busy is None:
        return
    # Of what Berth wants by itself, being well comes before being saved.
    comes_first = kind == _Kind.REPAIR and busy.kind == _Kind.BACKUP
    if (comes_first or not is_own) and _gave_way(busy, kind):
        return
    raise Refused(
        f"{instance.name} is busy: “{busy.get_kind_display()}” was asked for by"
        f" {busy.requested_by_label} and has not ended yet."
    )


def _gave_way(busy: Operation, kind: str) -> bool:
    """Call off what Berth asked for and nobody works on: what a person asks for comes first."""
    waiting = Operation.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        pk=busy.pk, kind__in=GIVES_WAY, requested_by_id=None, state=Operation.State.QUEUED
    )
    given = waiting.first()
    if given is None:
        return False
    given.state = Operation.State.CANCELLED
    given.reason = f"Gave way to “{_Kind(kind).label}”."
    given.finished_at = timezone.now()
    given.save(update_fields=["state", "reason", "finished_at"])
    audit.record(
        action="operation.cancelled",
        actor=GIVES_WAY[given.kind],
        client=given.instance.client,
        obj=given.instance,
        after={"operation": str(given.pk), "kind": given.kind, "reason": given.reason},
    )
    return True


def _is_by_itself(instance: Instance, kind: str, actor: Actor) -> bool:
    """Whether it is Berth that asks, for something that it may do."""
    may = instance.state in BY_ITSELF.get(kind, ()) and instance.delete_requested_at is None
    return may and not actor.id


def _refuse_on_server(server: Server, instance: Instance, kind: str) -> None:
    """Raise ``Refused`` where the server must not bring anything up now."""
    if server.availability == Server.Availability.DRAINING and kind in BRINGS_UP:
        raise Refused(
            f"{instance.name}'s server is being emptied for maintenance;"
            f" “{_Kind(kind).label}” is possible again when it is back."
        )
    if kind == _Kind.PROVISION and disk.is_low(server):
        raise Refused(f"{disk.shortage(server)}; nothing new is brought up there.")


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
    if operation.undoing:
        raise Refused("It is being taken back already; that can't be called off.")
    if operation.cancel_requested_at is None:
        operation.cancel_requested_at = timezone.now()
        operation.run_after = Now()  # a worker ends it, and knows what is left behind
        operation.save(update_fields=["cancel_requested_at", "run_after"])
        audit.record(
            action="operation.cancel_requested",
            actor=actor,
            client=operation.instance.audit_client,
            obj=operation.instance,
            after={"operation": str(operation.pk)},
        )
        transaction.on_commit(lambda: doorbell.ring(operation_id=operation.pk))
    return operation
