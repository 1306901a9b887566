"""From which of its two places an operation reads a backup, and what it does without one."""

from __future__ import annotations

from collections.abc import Callable

from hosting.engines.errors import EngineError
from hosting.engines.restic import AWAY, BROKEN, TargetUnavailable
from hosting.flows.base import Work
from hosting.flows.saving import sources, upkeep
from hosting.flows.saving.sources import Source
from hosting.models import Backup, Operation, Restore
from hosting.services.saving import clones, restores

TRIES = 3  # of a place that does not answer, before it is done without


def of(work: Work, backup: Backup) -> Source:
    """The place that was asked for, or that was found to be the only one."""
    if not is_second(work):
        return sources.first(backup)
    work.report("reading from the second place")
    return sources.second(backup)


def look(work: Work, backup: Backup, looking: Callable[[Source], None]) -> None:
    """Look at the backup before anything is touched.

    Where the first place turns out to be broken and the second has the backup, that one is looked
    at, and read from then on. Restore tests stay with the place they were begun for: they are to
    find such things.
    """
    try:
        looking(of(work, backup))
    except BROKEN as error:
        if is_second(work) or not _may_change_over(work, backup):
            raise
        upkeep.tell_if_broken(backup.instance, error)
        work.report(f"{error}: the second place has this backup too")
        _change_over(work)
        looking(of(work, backup))


def is_second(work: Work) -> bool:
    """Whether the second place is to be read."""
    if work.kind == Operation.Kind.RESTORE:
        return _restore(work).is_from_copy
    return work.instance.is_to_be_filled and work.instance.is_made_from_copy


def is_done_without(work: Work, error: EngineError) -> bool:
    """Whether a place that is away is waited for no longer."""
    if isinstance(error, TargetUnavailable):
        return was_tried_enough(work)
    return isinstance(error, AWAY)


def was_tried_enough(work: Work) -> bool:
    """Whether the operation was put off as often as it is for the sake of one place."""
    return Operation.objects.get(pk=work.lease.operation_id).attempt >= TRIES


def _may_change_over(work: Work, backup: Backup) -> bool:
    return backup.is_in_second_place and not work.instance.is_scratch


def _change_over(work: Work) -> None:
    with work.writing():
        if work.kind == Operation.Kind.RESTORE:
            restores.record_change_over(restore=_restore(work))
        else:
            clones.record_change_over(instance=work.instance)


def _restore(work: Work) -> Restore:
    return Restore.objects.get(operation_id=work.lease.operation_id)
