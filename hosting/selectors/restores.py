"""Reading restores: what can be taken back, and which data is kept for that."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from hosting.models import Incident, Instance, Operation, Restore

_UNSHOWN = tuple(  # large or secret, and on no page
    f"{backup}__{field}"
    for backup in ("backup", "safety")
    for field in ("secrets", "manifest", "stored")
)
_UNWELL = (Instance.State.DEGRADED, Instance.State.FAILED)


def of_instance(instance: Instance) -> QuerySet[Restore]:
    """All of them, newest first."""
    mine = Restore.objects.filter(operation__instance=instance)
    return mine.select_related("operation", "reverted_by", "backup", "safety").defer(*_UNSHOWN)


def for_staff() -> QuerySet[Restore]:
    """All there ever were, with what a list shows of them."""
    return Restore.objects.select_related(
        "operation__instance__client", "reverted_by", "backup", "safety"
    ).defer(*_UNSHOWN)


def of_operation(operation: Operation) -> Restore:
    """The restore that the operation does, or goes back from."""
    mine = Q(operation=operation) | Q(reverted_by=operation)
    return Restore.objects.select_related("backup", "safety").get(mine)


def reversible(*, instance: Instance, now: datetime) -> Restore | None:
    """The restore that the instance runs on and whose data of before is still kept."""
    return (
        of_instance(instance)
        .filter(to_generation=instance.generation, undone_at=None, kept_until__gt=now)
        .first()
    )


def troubled(*, instance: Instance) -> Restore | None:
    """The last one, where the app did not come back from it and has not been well since."""
    last = of_instance(instance).first() if instance.state in _UNWELL else None
    if last is None or not last.trouble:
        return None
    operation = last.reverted_by or last.operation
    if operation.finished_at is None:
        return None
    was_well = Incident.objects.filter(
        kind=Incident.Kind.INSTANCE_DEGRADED,
        instance=instance,
        closed_at__gt=operation.finished_at,
    )
    return None if was_well.exists() else last


def dispensable_generations(*, instance: Instance, now: datetime) -> list[int]:
    """The generations of data that it neither runs on nor is kept a way back to."""
    known, kept = set(), {instance.generation}
    for restore in of_instance(instance):
        both = {restore.from_generation, restore.to_generation}
        known |= both
        if restore.kept_until is not None and restore.kept_until > now:
            kept |= both
    return sorted(known - kept)
