"""Letting go of what no promised moment is restored from any more: bases, and whole chapters."""

from __future__ import annotations

from django.utils import timezone

from hosting.flows import repositories
from hosting.flows.base import Work
from hosting.models import Instance
from hosting.services import journals


def drop_bases(work: Work) -> None:
    """Take bases out of backups that stay. Their space is given back by the next prune."""
    unneeded = journals.unneeded_bases(instance=work.instance, now=timezone.now())
    if not unneeded:
        return
    for store in repositories.everywhere(work.instance):
        there = {each.id: each for each in store.snapshots()}
        doomed = {each.written["snapshot"] for each in unneeded}
        store.forget([each for each in doomed if each in there])
    for base in unneeded:
        with work.writing():
            journals.drop_base(base=base)
        work.report(f"the base of {base.ended_at:%Y-%m-%d %H:%M} UTC is not needed any more")


def destroy(work: Work) -> None:
    """Remove the chapters that lead nowhere any more."""
    _destroy(work.instance, work)


def destroy_all(instance: Instance) -> None:
    """Remove all of them: the instance was deleted long enough ago."""
    journals.end_all(instance=instance)
    _destroy(instance, None)


def _destroy(instance: Instance, work: Work | None) -> None:
    journals.let_go_of_chapters(instance=instance, now=timezone.now())
    for chapter in journals.doomed_chapters(instance=instance):
        if work is not None:
            work.report(f"removing {chapter}: no moment is restored from it any more")
        repositories.of_chapter(chapter).destroy()
        journals.record_destroyed(chapter=chapter)
