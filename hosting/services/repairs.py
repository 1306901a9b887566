"""What the reconciler writes: what it found, what it asks for, and when it stops trying.

A first repair is asked for at once. If that does not hold, the next ones come ever later; after
``ATTEMPTS`` the instance is degraded, with the likely cause, and tried again only now and then.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from hosting.engines.drift import Finding
from hosting.models import (
    ACTIVE_STATES,
    Drift,
    Incident,
    Instance,
    Operation,
    Server,
)
from hosting.services import edge
from hosting.services.watching import incidents
from hosting.services.working import operations
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

ACTOR = Actor.system("reconciler")
ATTEMPTS = 4
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=30)
WELL_AGAIN_AFTER = timedelta(minutes=10)  # well for so long, and earlier repairs are forgotten
KEPT = timedelta(days=90)  # settled drifts; what is open is kept for as long as it is
LONGEST_SUBJECT = 200  # people may give a container a longer name than the column holds

_State = Instance.State
SUPERVISED = (_State.RUNNING, _State.DEGRADED, _State.STOPPED)
_ASKED = {
    Operation.Kind.REPAIR: "A repair was asked for.",
    Operation.Kind.STOP: "It was asked to be stopped again.",
}


def instances_on(*, server: Server, undisturbed_since: datetime) -> QuerySet[Instance]:
    """The server's instances that an observation made since then says something about.

    Not those that an operation works on, or worked on after that moment: what was seen of them may
    be older than what the operation did. Each comes with its open drifts as ``open_drifts``.
    """
    disturbed = Operation.objects.filter(_active_after(undisturbed_since), instance=OuterRef("pk"))
    drifts = Prefetch("drifts", Drift.objects.filter(settled_at=None), to_attr="open_drifts")
    return (
        Instance.objects.filter(~Exists(disturbed), server=server, state__in=SUPERVISED)
        .only(
            "id", "client_id", "name", "state", "expected", "repairs", "repair_after", "server_id"
        )
        .prefetch_related(drifts)
    )


def known_labels(*, server: Server, labels: Collection[str]) -> frozenset[str]:
    """Which of these instance labels belong to instances of that server that are not deleted.

    Or were deleted a moment ago: what the engine showed of them may be older than that. Another
    row for the same engine counts as the same server.
    """
    alive = _alive(labels).filter(server__engine=server.engine, server__endpoint=server.endpoint)
    return frozenset(str(pk) for pk in alive.values_list("pk", flat=True))


def homes(*, labels: Collection[str]) -> dict[str, str]:
    """Instance label -> the name of its server, of those labels that any live instance has."""
    alive = _alive(labels).values_list("pk", "server__name")
    return {str(pk): name for pk, name in alive}


def uuids(labels: Collection[str]) -> list[uuid.UUID]:
    """Those of the labels that can be an instance's at all; anyone may make up another."""
    return [each for each in map(_as_uuid, labels) if each is not None]


def _alive(labels: Collection[str]) -> QuerySet[Instance]:
    recently = timezone.now() - timedelta(minutes=1)
    return Instance.objects.filter(pk__in=uuids(labels)).filter(
        ~Q(state=_State.DELETED) | Q(deleted_at__gte=recently)
    )


@transaction.atomic
def note(*, instance: Instance, findings: Sequence[Finding], done: str) -> None:
    """Write down what was found; what is not found any more is settled."""
    found = {(each.kind.value, each.subject[:LONGEST_SUBJECT]): each for each in findings}
    now = timezone.now()
    still = Drift.objects.filter(instance=instance, settled_at=None).in_bulk()
    for drift in still.values():
        finding = found.pop((drift.kind, drift.subject), None)
        if finding is None:
            drift.settled_at = now
        else:
            drift.last_seen_at, drift.found = now, finding.text
            drift.done = done or drift.done
    Drift.objects.bulk_update(still.values(), ("settled_at", "last_seen_at", "found", "done"))
    Drift.objects.bulk_create(
        [
            Drift(
                instance=instance,
                kind=kind,
                subject=subject,
                found=each.text,
                done=done,
            )
            for (kind, subject), each in found.items()
        ],
        ignore_conflicts=True,  # another round at the same moment wrote it down
    )


def request_repair(*, instance: Instance, kind: Operation.Kind) -> Operation | None:
    """Ask for the operation that puts the instance right; None where it is busy by now."""
    try:
        with transaction.atomic():
            operation = operations.request(instance=instance, kind=kind, actor=ACTOR)
            locked = Instance.objects.get(pk=instance.pk)  # request holds its lock
            locked.repairs += 1
            locked.repair_after = timezone.now() + pause(locked.repairs)
            locked.save(update_fields=["repairs", "repair_after"])
            found = Drift.objects.filter(instance=instance, settled_at=None)
            found.update(operation=operation, done=_ASKED[kind])
    except Refused:
        return None  # a person or another round was faster, and what they do comes first
    return operation


@transaction.atomic
def degrade(*, instance: Instance, reason: str, seen_at: datetime) -> None:
    """Berth can't bring the instance back by itself: say so, and why.

    ``seen_at`` is when that was seen, here and below: what an operation did later counts more. One
    that is stopped stays so, and has an incident.
    """
    locked = _undisturbed(instance, seen_at)
    if locked is None or locked.state not in SUPERVISED:
        return
    incidents.open_for(
        kind=Incident.Kind.INSTANCE_DEGRADED, instance=locked, summary=f"{locked}: {reason}"
    )
    was = locked.state
    if was == _State.STOPPED:
        return
    locked.state, locked.state_reason = _State.DEGRADED, reason
    locked.save(update_fields=["state", "state_reason"])
    if was != _State.DEGRADED:
        _announce("instance.degraded", locked, before=was, reason=reason)


@transaction.atomic
def recover(*, instance: Instance, seen_at: datetime) -> None:
    """A degraded instance was seen to be well, or a stopped one to be whole."""
    locked = _undisturbed(instance, seen_at)
    if locked is None or locked.state not in (_State.DEGRADED, _State.STOPPED):
        return
    incidents.close(kind=Incident.Kind.INSTANCE_DEGRADED, instance=locked)
    if locked.state == _State.STOPPED:
        return
    locked.state, locked.state_reason = _State.RUNNING, ""
    locked.save(update_fields=["state", "state_reason"])
    _announce("instance.recovered", locked, before=_State.DEGRADED, reason="")


def forget(*, instance: Instance) -> None:
    """It has been well for long enough: the next trouble is a first one again."""
    Instance.objects.filter(pk=instance.pk).update(repairs=0, repair_after=None)


def forget_old_drifts() -> None:
    """Remove what was settled long ago, so that the history does not grow for ever."""
    Drift.objects.filter(settled_at__lt=timezone.now() - KEPT).delete()


def is_well_again(*, instance: Instance, now: datetime) -> bool:
    """Whether earlier repairs are long enough ago to be forgotten."""
    after = instance.repair_after
    return bool(instance.repairs and after and now - after > WELL_AGAIN_AFTER)


def pause(repairs: int) -> timedelta:
    """How long to wait after so many repairs in a row: 10, 20, 40 s ... half an hour at most."""
    doublings = min(max(repairs - 1, 0), 10)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)


def _undisturbed(instance: Instance, since: datetime) -> Instance | None:
    """The instance, locked; None where an operation works on it, or has since that moment."""
    locked = Instance.objects.select_for_update(no_key=True).get(pk=instance.pk)
    return None if locked.operations.filter(_active_after(since)).exists() else locked


def _active_after(moment: datetime) -> Q:
    """Operations that may have changed something since; a backup that only waits has not."""
    waits = Q(kind=Operation.Kind.BACKUP, state=Operation.State.QUEUED)
    return (Q(state__in=ACTIVE_STATES) & ~waits) | Q(finished_at__gte=moment)


def _announce(action: str, instance: Instance, *, before: str, reason: str) -> None:
    edge.want_publish()
    audit.record(
        action=action,
        actor=ACTOR,
        client=instance.client,
        obj=instance,
        before={"state": before},
        after={"state": instance.state, "reason": reason},
    )


def _as_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
