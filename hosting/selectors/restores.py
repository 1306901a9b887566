"""Reading restores: what can be taken back, and which data is kept for that."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from hosting.models import Instance, Operation, Restore


def of_instance(instance: Instance) -> QuerySet[Restore]:
    """All of them, newest first."""
    return Restore.objects.filter(operation__instance=instance).select_related("backup", "safety")


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


def dispensable_generations(*, instance: Instance, now: datetime) -> list[int]:
    """The generations of data that it neither runs on nor is kept a way back to."""
    known, kept = set(), {instance.generation}
    for restore in of_instance(instance):
        both = {restore.from_generation, restore.to_generation}
        known |= both
        if restore.kept_until is not None and restore.kept_until > now:
            kept |= both
    return sorted(known - kept)
