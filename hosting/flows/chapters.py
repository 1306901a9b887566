"""Letting go of what no promised moment is restored from any more: bases, and whole chapters.

It asks no engine for anything: the web process imports what leads here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from django.utils import timezone

from hosting.engines.base import Report, silent
from hosting.flows import repositories
from hosting.models import Instance
from hosting.services import journal_chapters, journals

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
    for store in repositories.everywhere(instance):
        of_base = (each for each in store.snapshots() if each.path.startswith("base/"))
        # In the second place the same snapshots have other ids.
        found = [each.id for each in of_base if each.id in doomed or each.tags & tags]
        store.forget(found)


def destroy(instance: Instance, *, report: Report = silent) -> None:
    """Remove the chapters that lead nowhere any more."""
    journal_chapters.let_go_of_chapters(instance=instance, now=timezone.now())
    for chapter in journal_chapters.doomed_chapters(instance=instance):
        report(f"removing {chapter}: no moment is restored from it any more")
        for repository in repositories.everywhere_of_chapter(chapter):
            repository.destroy()
        journal_chapters.record_destroyed(chapter=chapter)


def destroy_all(instance: Instance) -> None:
    """Remove all of them: the instance was deleted long enough ago."""
    journals.end_all(instance=instance)
    destroy(instance)
