"""Reading restores and upgrades alike: what can be taken back, and which data is kept for that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Max, Q, QuerySet

from hosting.models import Incident, Instance, Move, Operation, Restore, Upgrade

_UNSHOWN = ("secrets", "manifest", "stored")  # large or secret, and on no page
_UNWELL = (Instance.State.DEGRADED, Instance.State.FAILED)


def restores_of(instance: Instance) -> QuerySet[Restore]:
    """All of them, newest first."""
    related = ("operation", "reverted_by", "backup", "safety")
    mine = Restore.objects.filter(operation__instance=instance).select_related(*related)
    return mine.defer(*unshown("backup"), *unshown("safety"))


def upgrades_of(instance: Instance) -> QuerySet[Upgrade]:
    """All of them, newest first."""
    related = ("operation", "reverted_by", "safety", "from_plan", "to_plan")
    mine = Upgrade.objects.filter(operation__instance=instance).select_related(*related)
    return mine.defer("from_definition", "to_definition", *unshown("safety"))


def of_operation(operation: Operation) -> Move:
    """The move that the operation does, or goes back from."""
    mine = Q(operation=operation) | Q(reverted_by=operation)
    restore = Restore.objects.select_related("backup", "safety").filter(mine).first()
    return restore or Upgrade.objects.select_related("safety").get(mine)


def reversible(*, instance: Instance, now: datetime) -> Move | None:
    """The move whose outcome the instance stands on and whose data of before is still kept."""
    there = Q(to_generation=instance.generation, undone_at=None, kept_until__gt=now)
    # The first generation is the order's: every restore leads to a later one.
    restore = restores_of(instance).filter(there).first() if instance.generation > 1 else None
    return restore or upgrades_of(instance).filter(there).first()


def troubled(*, instance: Instance) -> Move | None:
    """The last one, where the app did not come back from it and has not been well since."""
    if instance.state not in _UNWELL:
        return None
    last = _last(instance)
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
    for move in _all(instance):
        both = {move.from_generation, move.to_generation}
        known |= both
        if move.kept_until is not None and move.kept_until > now:
            kept |= both
    return sorted(known - kept)


def unused_generation(instance: Instance) -> int:
    """One that no move has ever filled, not even half."""
    used = [
        moves.aggregate(last=Max("to_generation"))["last"] or 0
        for moves in (restores_of(instance), upgrades_of(instance))
    ]
    return max(instance.generation, *used) + 1


def definitions(instance: Instance) -> list[Mapping[str, Any]]:
    """The catalog entries that upgrades have led to or from; each may have volumes of its own."""
    both = ("from_definition", "to_definition")
    found = Upgrade.objects.filter(operation__instance=instance).values_list(*both)
    return [each for pair in found for each in pair]


def _all(instance: Instance) -> Iterator[Move]:
    yield from restores_of(instance)
    yield from upgrades_of(instance)


def _last(instance: Instance) -> Move | None:
    last = (restores_of(instance).first(), upgrades_of(instance).first())
    there = [each for each in last if each is not None]
    return max(there, key=lambda each: each.operation.requested_at, default=None)


def unshown(backup: str) -> tuple[str, ...]:
    """What of the backups that moves refer to is not read with them: to be deferred."""
    return tuple(f"{backup}__{field}" for field in _UNSHOWN)
