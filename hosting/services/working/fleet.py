"""The same operation for many instances, in waves, that stops itself when too many fail.

Where it stands is in the database. ``advance`` may be called at any time, by anyone, and twice at
once: it looks at what has ended and asks for what comes next.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from hosting.models import (
    ACTIVE_STATES,
    FleetAction,
    FleetActionItem,
    Instance,
    Operation,
    Server,
)
from hosting.selectors.servers import concerned
from hosting.services.working import operations
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

logger = logging.getLogger(__name__)

RUNNING_STATES = (Instance.State.RUNNING, Instance.State.DEGRADED)
# What a whole server may be asked for, and of which of its instances.
OFFERED: dict[str, tuple[str, ...]] = {
    Operation.Kind.RESTART: RUNNING_STATES,
    Operation.Kind.STOP: RUNNING_STATES,
    Operation.Kind.START: (Instance.State.STOPPED,),
}
_Item = FleetActionItem.State


def begin_on_server(
    *, server: Server, kind: str, actor: Actor, wave_size: int = 5, most_failures: int = 1
) -> FleetAction:
    """Ask every instance of the server that can be asked for it. Raises ``Refused``."""
    if kind not in OFFERED:
        raise Refused("That can't be asked of a whole server.", field="kind")
    return begin(
        server=server,
        kind=kind,
        instances=list(concerned(server, states=OFFERED[kind])),
        wave_size=wave_size,
        most_failures=most_failures,
        actor=actor,
    )


@transaction.atomic
def begin(
    *,
    server: Server,
    kind: str,
    instances: Sequence[Instance],
    actor: Actor,
    purpose: FleetAction.Purpose = FleetAction.Purpose.ASKED,
    wave_size: int = 5,
    most_failures: int = 1,
) -> FleetAction:
    """Write the action down with its waves, and begin the first.

    Raises ``Refused`` where another action is going on there, or there is nothing to do.
    """
    locked = Server.objects.select_for_update(no_key=True).get(pk=server.pk)
    if kind in operations.BRINGS_UP and locked.availability == Server.Availability.DRAINING:
        raise Refused(f"Server {locked} is being emptied; reopen it before anything is started.")
    refuse_while_running(server=server)
    if not instances:
        raise Refused(f"No instance on server {server} can be asked for that now.")
    if wave_size < 1:
        raise Refused("A wave has at least one instance.", field="wave_size")
    action = FleetAction.objects.create(
        server=server,
        kind=kind,
        purpose=purpose,
        wave_size=wave_size,
        most_failures=most_failures,
        requested_by_id=actor.id or None,
        requested_by_label=actor.label,
    )
    FleetActionItem.objects.bulk_create(
        FleetActionItem(action=action, instance=instance, wave=position // wave_size)
        for position, instance in enumerate(instances)
    )
    advance(action=action)
    audit.record(
        action="fleet.begun",
        actor=actor,
        obj=action,
        after={"kind": kind, "server": server.name, "instances": len(instances)},
    )
    return action


def advance_all() -> None:
    """Every action that is going on, one step each, and what came in late of those that ended."""
    for action in FleetAction.objects.filter(state=FleetAction.State.RUNNING):
        try:
            advance(action=action)
        except Exception:  # the others are none the worse for it
            logger.exception("fleet action %s could not go on; it is tried again", action.pk)
    _take_in(FleetActionItem.objects.exclude(action__state=FleetAction.State.RUNNING))


@transaction.atomic
def advance(*, action: FleetAction) -> None:
    """Take in what has ended; begin the next wave once this one has; end after the last."""
    locked = _lock(action)
    if locked is None:
        return
    items = locked.items
    _take_in(items.all())
    failures = items.filter(state=_Item.FAILED).count()
    if failures > locked.most_failures:
        what = "operation" if failures == 1 else "operations"
        _end(locked, FleetAction.State.STOPPED, f"Stopped by itself: {failures} {what} failed.")
    elif items.filter(state=_Item.RUNNING).exists():
        return  # a wave is over when all of it is
    elif (coming := items.filter(state=_Item.WAITING).order_by("wave").first()) is not None:
        _begin_wave(locked, coming.wave)
    else:
        _end(locked, FleetAction.State.SUCCEEDED, "")


@transaction.atomic
def stop(*, action: FleetAction, actor: Actor) -> None:
    """Begin no further wave; what is worked on goes on. Raises ``Refused`` where it has ended."""
    locked = _lock(action)
    if locked is None:
        raise Refused("It has ended already.")
    _take_in(locked.items.all())
    _end(locked, FleetAction.State.STOPPED, f"Stopped by {actor.label}.")
    audit.record(action="fleet.stopped", actor=actor, obj=locked, after={"by": actor.label})


def refuse_while_running(*, server: Server) -> None:
    """Raise ``Refused`` naming the action that is going on there."""
    going_on = server.fleet_actions.filter(state=FleetAction.State.RUNNING).first()
    if going_on is not None:
        raise Refused(f"“{going_on}” has not ended yet; wait for it, or stop it.")


def stopped_by_drain(*, server: Server) -> list[Instance]:
    """The instances that the server's last drain stopped and that are stopped since then.

    Not one that somebody started afterwards: who stopped it then had a reason of their own.
    """
    drain = server.fleet_actions.filter(purpose=FleetAction.Purpose.DRAIN).first()
    if drain is None:
        return []
    started_later = Operation.objects.filter(
        instance=OuterRef("instance"),
        requested_at__gt=OuterRef("operation__requested_at"),
        kind__in=(Operation.Kind.START, Operation.Kind.RESTART, Operation.Kind.PROVISION),
    )
    stopped = drain.items.exclude(operation=None).filter(
        ~Exists(started_later),
        instance__state=Instance.State.STOPPED,
        instance__delete_requested_at=None,
        instance__client__is_active=True,
    )
    return [item.instance for item in stopped.select_related("instance__client")]


def _lock(action: FleetAction) -> FleetAction | None:
    return (
        FleetAction.objects.select_for_update(of=("self",))
        .filter(pk=action.pk, state=FleetAction.State.RUNNING)
        .first()
    )


def _take_in(items: QuerySet[FleetActionItem]) -> None:
    """From the operations to their items."""
    outcomes = {
        Operation.State.SUCCEEDED: _Item.SUCCEEDED,
        Operation.State.FAILED: _Item.FAILED,
        Operation.State.CANCELLED: _Item.SKIPPED,
    }
    ended = items.filter(state=_Item.RUNNING).exclude(operation__state__in=ACTIVE_STATES)
    for item in ended.select_related("operation"):
        operation = item.operation
        if operation is not None:
            item.state = outcomes[Operation.State(operation.state)]
            item.reason = operation.reason
            item.save(update_fields=["state", "reason"])


def _begin_wave(action: FleetAction, wave: int) -> None:
    """Ask for the operations. An instance that is busy, or changed meanwhile, is left out."""
    actor = Actor(id=str(action.requested_by_id or ""), label=action.requested_by_label)
    items = action.items.filter(wave=wave, state=_Item.WAITING).select_related("instance")
    _lock_instances([item.instance_id for item in items])
    for item in items:
        try:
            with transaction.atomic():
                item.operation = operations.request(
                    instance=item.instance, kind=action.kind, actor=actor
                )
            item.state = _Item.RUNNING
        except Refused as refused:
            item.state, item.reason = _Item.SKIPPED, str(refused)
        item.save(update_fields=["operation", "state", "reason"])


def _lock_instances(pks: Sequence[uuid.UUID]) -> None:
    """All of a wave before the first audit event: whoever ends an operation locks in that order."""
    list(Instance.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk"))


def _end(action: FleetAction, state: FleetAction.State, reason: str) -> None:
    action.items.filter(state=_Item.WAITING).update(
        state=_Item.SKIPPED, reason="The action was stopped before its wave."
    )
    action.state, action.reason, action.finished_at = state, reason, timezone.now()
    action.save(update_fields=["state", "reason", "finished_at"])
