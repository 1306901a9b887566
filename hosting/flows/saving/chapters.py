"""Letting go of what no promised moment is restored from any more: bases, and whole chapters.

It asks no engine for anything: the web process imports what leads here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager

from django.utils import timezone

from hosting.engines.base import Report, silent
from hosting.engines.errors import EngineError, TryLater
from hosting.engines.restic import Repository
from hosting.flows.saving import repositories
from hosting.models import Instance
from hosting.services.saving import backups, journal_chapters, journals

Writing = Callable[[], AbstractContextManager[None]]  # a transaction that holds the lease


def drop_bases(instance: Instance, *, report: Report, writing: Writing) -> None:
    """Take bases out of backups that stay. Their space is given back by the next prune.

    First a backup does not count on its base any more, then the base goes: with the rest of the
    backup at the latest, where that failed.
    """
    unneeded = journals.unneeded_bases(instance=instance, now=timezone.now())
    if not unneeded:
        return
    for base in unneeded:
        with writing():
            journals.drop_base(base=base)
        report(f"the base of {base.ended_at:%Y-%m-%d %H:%M} UTC is not needed any more")
    doomed = {each.written["snapshot"] for each in unneeded}
    tags = {f"backup:{each.backup_id}" for each in unneeded}
    _forget(repositories.primary(instance), doomed, tags)
    second = repositories.copy(instance) if backups.store_of(instance=instance).is_copied else None
    if second is not None:
        try:
            _forget(second, doomed, tags)
        except EngineError as error:
            report(f"{error}: it is left in the second place as long as the backups it is part of")


def _forget(store: Repository, doomed: Collection[str], tags: Collection[str]) -> None:
    of_base = (each for each in store.snapshots() if each.path.startswith("base/"))
    # In the second place the same snapshots have other ids.
    store.forget([each.id for each in of_base if each.id in doomed or each.tags & set(tags)])


def destroy(instance: Instance, *, report: Report = silent) -> None:
    """Remove the chapters that lead nowhere any more.

    One that the second place does not let go is left for the next time.
    """
    journal_chapters.let_go_of_chapters(instance=instance, now=timezone.now())
    for chapter in journal_chapters.doomed_chapters(instance=instance):
        report(f"removing {chapter}: no moment is restored from it any more")
        repositories.of_chapter(chapter).destroy()
        second = repositories.copy_of_chapter(chapter)
        try:
            if second is not None:
                second.destroy()
        except EngineError as error:
            report(f"{error}: it is left for another night")
        else:
            journal_chapters.record_destroyed(chapter=chapter)


def destroy_all(instance: Instance) -> None:
    """Remove all of them: the instance was deleted long enough ago.

    Raises ``EngineError`` where something is left.
    """
    journals.end_all(instance=instance)
    destroy(instance)
    left = journal_chapters.doomed_chapters(instance=instance)
    if left:
        raise TryLater(f"{left[0]} could not be removed from the second place")
