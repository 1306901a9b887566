"""Who works on an operation: claiming it, keeping it, and letting go of it.

A claim raises the operation's ``fence``; every later write of the worker is conditional on that
number still being there and the lease not having run out, by the database's clock. So a worker
that was paused or cut off finds ``LeaseLost`` before it changes anything.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from hosting.models import Incident, Instance, Operation, OperationStep, Server
from hosting.services import edge
from hosting.services.watching import incidents
from hosting.services.working import doorbell, turns
from tenants.services import audit
from tenants.services.actors import Actor

# By a person's wish: the next trouble is a first one again. A repair leaves the count as it is.
_BRINGS_UP = (
    *(Operation.Kind.PROVISION, Operation.Kind.CLONE),
    *(Operation.Kind.START, Operation.Kind.RESTART),
    *(Operation.Kind.RESTORE, Operation.Kind.REVERT, Operation.Kind.UPGRADE),
)
_SET = ("state", "state_reason", "first_running_at", "deleted_at", "repairs", "repair_after")


class LeaseLost(Exception):
    """Someone else works on the operation now, or it has ended: stop, and touch nothing."""


class CancelRequested(Exception):
    """A person called the operation off."""


@dataclass(slots=True)
class Tenure:
    """Until when a lease is good without asking the database: a moment of this machine's clock.

    That clock goes on while the machine sleeps, so that a worker that was frozen knows at once.
    """

    until: float

    @classmethod
    def begun(cls, at: float) -> Tenure:
        """Of a lease that was asked for at that moment."""
        return cls(until=at + settings.BERTH_LEASE.total_seconds())


def clock() -> float:
    """Seconds since the machine started, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on an operation."""

    operation_id: uuid.UUID
    fence: int
    tenure: Tenure = field(default_factory=lambda: Tenure.begun(clock()), compare=False)


@transaction.atomic
def claim(*, operation_id: uuid.UUID, worker: str) -> Lease | None:
    """Take the operation if it is due and free, and its server has a place for it.

    ``None`` where that is not so; what waits for its server says so in its reason.
    """
    asked_at = clock()
    server = (
        Server.objects.select_for_update(no_key=True, of=("self",))
        .filter(instances__operations=operation_id)
        .first()
    )
    operation = (
        turns.due().select_for_update(skip_locked=True, of=("self",)).filter(pk=operation_id)
    ).first()
    if operation is None or server is None:
        return None
    obstacle = turns.obstacle(operation=operation, server=server)
    if obstacle:
        _wait(operation, obstacle)
        return None
    fence = operation.fence + 1
    Operation.objects.filter(pk=operation.pk).update(
        state=Operation.State.RUNNING,
        fence=fence,
        attempt=F("attempt") + 1,
        worker=worker[:120],
        lease_expires_at=_lease_end(),
        started_at=Coalesce("started_at", Now()),
        reason="",
    )
    return Lease(operation_id=operation.pk, fence=fence, tenure=Tenure.begun(asked_at))


def extend(*, lease: Lease) -> None:
    """Keep the lease alive. Raises ``LeaseLost``."""
    asked_at = clock()
    if not _held(lease).update(lease_expires_at=_lease_end()):
        raise LeaseLost(str(lease.operation_id))
    lease.tenure.until = Tenure.begun(asked_at).until


def see_tenure(*, lease: Lease) -> None:
    """Raise ``LeaseLost`` where the lease may have run out, without asking the database.

    Cheap enough to be called before each single call of an engine: between a look at the database
    and the call a worker may have been frozen for any time.
    """
    if clock() >= lease.tenure.until:
        raise LeaseLost(str(lease.operation_id))


def check(*, lease: Lease) -> None:
    """Raise ``LeaseLost`` or ``CancelRequested`` where the work must stop here."""
    row = _held(lease).values_list("cancel_requested_at", "undoing").first()
    if row is None:
        raise LeaseLost(str(lease.operation_id))
    called_off_at, undoing = row
    if called_off_at is not None and not undoing:
        raise CancelRequested


def hold(*, lease: Lease) -> None:
    """Keep the operation's row locked until the caller's transaction ends. Raises ``LeaseLost``.

    A step that writes to Berth's own tables calls it first, in the same transaction. The row alone
    is locked: what is on it is not needed, and this comes many times an operation.
    """
    if not _held(lease).select_for_update().order_by().values_list("pk").first():
        raise LeaseLost(str(lease.operation_id))


@transaction.atomic
def postpone(*, lease: Lease, reason: str, delay: timedelta, counts: bool = True) -> None:
    """Give the operation back, to be taken up again after the delay.

    ``counts`` says whether the attempt uses up one of those that the operation has.
    """
    operation = _lock(lease)
    _make_room(operation)
    Operation.objects.filter(pk=lease.operation_id).update(
        state=Operation.State.QUEUED,
        reason=reason,
        run_after=Now() + delay,
        lease_expires_at=None,
        attempt=F("attempt") - (0 if counts else 1),
    )


@transaction.atomic
def begin_undo(*, lease: Lease, reason: str, is_cancelled: bool) -> None:
    """From now on the operation is taken back, for that reason; nobody can call that off.

    It begins with its attempts counted anew. ``is_cancelled``: it ends as cancelled, not failed.
    """
    operation = _lock(lease)
    operation.undoing = reason
    operation.attempt = 1
    if not is_cancelled:
        operation.cancel_requested_at = None  # it came too late
    operation.save(update_fields=["undoing", "attempt", "cancel_requested_at"])
    _end_open_steps(operation, timezone.now())


@transaction.atomic
def finish(
    *,
    lease: Lease,
    state: Operation.State,
    reason: str,
    instance_state: Instance.State | None,
    at: datetime,
) -> Operation:
    """End the operation and set its instance's state (``None`` leaves it), with an audit event."""
    operation = _lock(lease)
    operation.state = state
    operation.reason = reason
    operation.finished_at = at
    operation.lease_expires_at = None
    operation.save(update_fields=["state", "reason", "finished_at", "lease_expires_at"])
    _end_open_steps(operation, at)
    _make_room(operation)
    if instance_state is not None:
        _set_instance(operation, instance_state, reason, at)
        edge.want_publish()  # what the edge shows in place of a stopped or failed app
        transaction.on_commit(doorbell.ring_edge)
    audit.record(
        action=f"operation.{state}",
        actor=Actor.system("worker"),
        client=operation.instance.audit_client,
        obj=operation.instance,
        after={"operation": str(operation.pk), "kind": operation.kind, "reason": reason},
    )
    return operation


def _end_open_steps(operation: Operation, at: datetime) -> None:
    """A step that was called off, or broken off by an error of Berth's own, does not run on."""
    running = OperationStep.State.RUNNING
    if operation.state != Operation.State.SUCCEEDED:
        operation.steps.filter(state=running).update(
            state=OperationStep.State.FAILED, finished_at=at
        )


def _wait(operation: Operation, reason: str) -> None:
    if operation.reason != reason:
        Operation.objects.filter(pk=operation.pk).update(reason=reason)


def _make_room(operation: Operation) -> None:
    """Once this is committed the server has a place for the next."""
    server_id = operation.instance.server_id
    transaction.on_commit(lambda: turns.ring_next(server_id=server_id))


def _set_instance(operation: Operation, state: Instance.State, reason: str, at: datetime) -> None:
    instance = Instance.objects.select_for_update(no_key=True).get(pk=operation.instance_id)
    instance.state = state
    instance.state_reason = reason
    if state == Instance.State.RUNNING and instance.first_running_at is None:
        instance.first_running_at = at
    if state == Instance.State.DELETED:
        instance.deleted_at = at
    if operation.state == Operation.State.SUCCEEDED and operation.kind in _BRINGS_UP:
        instance.repairs, instance.repair_after = 0, None
    instance.save(update_fields=_SET)
    _tell(instance, reason)


def _tell(instance: Instance, reason: str) -> None:
    """One incident as long as the instance is degraded; any other state is somebody's answer."""
    kind = Incident.Kind.INSTANCE_DEGRADED
    if instance.state == Instance.State.DEGRADED:
        incidents.open_for(kind=kind, instance=instance, summary=f"{instance}: {reason}")
    else:
        incidents.close(kind=kind, instance=instance)


def _lock(lease: Lease) -> Operation:
    operation = (
        _held(lease).select_related("instance__client").select_for_update(of=("self",)).first()
    )
    if operation is None:
        raise LeaseLost(str(lease.operation_id))
    return operation


def _held(lease: Lease) -> QuerySet[Operation]:
    return Operation.objects.filter(
        pk=lease.operation_id,
        fence=lease.fence,
        state=Operation.State.RUNNING,
        lease_expires_at__gt=Now(),
    )


def _lease_end() -> CombinedExpression:
    return Now() + settings.BERTH_LEASE
