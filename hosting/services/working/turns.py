"""Whose turn it is: which operations are due, and which have to wait for their server.

A server works on so many operations at once as its row allows, and on none while its circuit
breaker is open. What waits says so, and waits alone: other servers' operations go on.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable

from django.db.models import BooleanField, Count, ExpressionWrapper, F, Q, QuerySet, Window
from django.db.models.functions import Now, RowNumber

from hosting.models import Operation, Server
from hosting.services.working import breaker, doorbell

# Nobody waits for these, and they may take hours.
_PATIENT = (Operation.Kind.BACKUP, Operation.Kind.RESTORE_TEST, Operation.Kind.REHEARSAL)
_IS_PATIENT = ExpressionWrapper(Q(kind__in=_PATIENT), output_field=BooleanField())


def due() -> QuerySet[Operation]:
    """Operations that someone should be working on and nobody is."""
    return Operation.objects.filter(
        Q(state=Operation.State.QUEUED, run_after__lte=Now())
        | Q(state=Operation.State.RUNNING, lease_expires_at__lte=Now())
    )


def obstacle(*, operation: Operation, server: Server) -> str:
    """Why the operation can't be begun now, in one sentence; empty where it can.

    The caller holds the server's row locked, so that two workers don't count on one free place.
    One that was called off needs no place and no server: it only has to be ended.
    """
    if operation.cancel_requested_at is not None and not operation.undoing:
        return ""
    busy = _worked_on().filter(instance__server=server).exclude(pk=operation.pk).count()
    is_full = busy >= server.parallel_operations
    # Where it is full nobody would try: the one attempt at a silent server is left to another.
    if (is_full and server.is_silent) or not breaker.may_try(server=server):
        return breaker.waiting_reason(server)
    if is_full:
        return f"Waits its turn: server {server} works on {busy} operations already."
    if operation.kind in _PATIENT:
        return _obstacle_to_saving(operation, server)
    return ""


def _obstacle_to_saving(operation: Operation, server: Server) -> str:
    """Backups may take hours: what people wait for keeps half of the places."""
    places = max(1, server.parallel_operations // 2)
    saving = _worked_on().filter(instance__server=server, kind__in=_PATIENT)
    if saving.exclude(pk=operation.pk).count() >= places:
        return f"Waits its turn: server {server} makes and tests {places} backups at once."
    return ""


def ringable(*, at_most: int) -> list[uuid.UUID]:
    """The oldest due operations, of each server as many as it has places for.

    However many wait for one server, those of another are found. What was called off needs no
    place.
    """
    called_off = due().exclude(cancel_requested_at=None).order_by("run_after")
    chosen = list(called_off.values_list("pk", flat=True)[:at_most])
    free = {server_id: places for server_id, places in _free_places().items() if places > 0}
    # Backups last: those that wait for other backups must not hide what could begin.
    order = (_IS_PATIENT, "run_after", "pk")
    position = Window(RowNumber(), partition_by=F("instance__server"), order_by=order)
    waiting = due().filter(cancel_requested_at=None, instance__server__in=free)
    first = waiting.annotate(position=position).filter(position__lte=max(free.values(), default=0))
    for operation_id, server_id in first.order_by(*order).values_list("pk", "instance__server_id"):
        if free[server_id] > 0 and len(chosen) < at_most:
            free[server_id] -= 1
            chosen.append(operation_id)
    return chosen


def ring_next(*, server_id: uuid.UUID, at_most: int = 1) -> None:
    """A place on the server came free: tell whoever has waited longest."""
    waiting = due().filter(instance__server_id=server_id).order_by(_IS_PATIENT, "run_after")
    _ring(waiting.values_list("pk", flat=True)[:at_most])


def _ring(operation_ids: Iterable[uuid.UUID]) -> None:
    for operation_id in operation_ids:
        doorbell.ring(operation_id=operation_id)


def _worked_on() -> QuerySet[Operation]:
    return Operation.objects.filter(state=Operation.State.RUNNING, lease_expires_at__gt=Now())


def _free_places() -> dict[uuid.UUID, int]:
    """By server; none where its circuit breaker is open and not yet to be tried again."""
    busy = dict(_worked_on().order_by().values_list("instance__server").annotate(Count("pk")))
    free: dict[uuid.UUID, int] = defaultdict(int)
    answering = Server.objects.filter(Q(retry_at=None) | Q(retry_at__lte=Now()))
    for server_id, places in answering.values_list("pk", F("parallel_operations")):
        free[server_id] = places - busy.get(server_id, 0)
    return free
