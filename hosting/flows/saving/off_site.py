"""Bringing the journals to the second place, where there is one.

It goes beside the fetching and not within: a place that is slow or away keeps no journal from the
first one. How far it is behind is written down piece by piece.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.conf import settings

from hosting.engines.errors import EngineError
from hosting.engines.restic import Repository, RepositoryMissing
from hosting.flows.saving import repositories, shipping, upkeep
from hosting.models import JournalChapter
from hosting.services.saving import journal_copies

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=2)  # each copy looks at every snapshot that is there
LONGEST = timedelta(minutes=2)  # of one call: the rest comes at the next
AT_ONCE = 50


def copy_due() -> None:
    """Copy what is not there yet. One where that fails does not keep the others from it."""
    if not settings.BERTH_BACKUP_COPY:
        return
    began, failed = time.monotonic(), set()
    for chapter in journal_copies.waiting():
        if time.monotonic() - began > LONGEST.total_seconds():
            return
        if chapter.instance_id in failed:
            continue
        try:
            copy(chapter)
        except EngineError as error:
            if isinstance(error, RepositoryMissing) and _is_gone(chapter):
                logger.warning("%s is gone from the first place, and what was not copied", chapter)
                journal_copies.give_up(chapter=chapter)
                continue
            failed.add(chapter.instance_id)
            logger.warning("the chapter %s could not be copied: %s", chapter, error)
            upkeep.tell_if_broken(chapter.instance, error)


def copy(chapter: JournalChapter) -> None:
    """Bring what it holds to the second place, oldest first, some at a time.

    Raises ``EngineError``. A repository is made there once: one that was lost must not come back
    empty.
    """
    second = repositories.copy_of_chapter(chapter)
    if second is None:
        return
    if chapter.copied_to != settings.BERTH_BACKUP_COPY:
        _begin(chapter, second)
    here = repositories.of_chapter(chapter)
    while pieces := list(chapter.pieces.filter(is_copied=False).order_by("stored_at")[:AT_ONCE]):
        here.copy_to(second, [shipping.written_of(each).snapshot for each in pieces])
        if not journal_copies.record(chapter=chapter, pieces=pieces):
            second.destroy()
            return


def copy_merged(source: Repository, goal: JournalChapter, snapshots: list[str]) -> None:
    """All of a new chapter, before it takes the place of another."""
    second = repositories.copy_of_chapter(goal)
    if second is not None:
        _begin(goal, second)
        source.copy_to(second, snapshots)


def _is_gone(chapter: JournalChapter) -> bool:
    """Whether the first place has lost it, and a person had that one begun anew since."""
    if not (chapter.is_closed and journal_copies.is_begun_anew(chapter=chapter)):
        return False
    try:
        repositories.of_chapter(chapter).snapshots()
    except RepositoryMissing:
        return True
    return False


def _begin(chapter: JournalChapter, second: Repository) -> None:
    second.ensure()
    journal_copies.record_place(chapter=chapter, place=settings.BERTH_BACKUP_COPY)
