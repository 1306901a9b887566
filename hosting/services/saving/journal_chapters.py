"""Chapters of journals: the repositories that their pieces go into, and which of these may go."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Max
from django.utils import timezone

from hosting.models import (
    ACTIVE_STATES,
    Instance,
    Journal,
    JournalBase,
    JournalChapter,
    JournalPiece,
    Operation,
)
from hosting.selectors.saving import journals as reading
from hosting.services.saving.journals import Superseded

PIECES_A_CHAPTER = 400  # each makes every call of restic a millisecond longer
MANY_PIECES = 10


def chapter_of(*, journal: Journal) -> JournalChapter:
    """Into which its next piece goes. A chapter that is full makes way for the next.

    Raises ``Superseded`` where another worker has just begun one.
    """
    instance = journal.instance
    chapters = JournalChapter.objects.filter(instance=instance)
    with transaction.atomic():
        current = chapters.select_for_update(no_key=True).filter(is_closed=False).first()
        if current is not None and current.pieces.count() < PIECES_A_CHAPTER:
            return current
        if current is not None:
            current.is_closed = True
            current.save(update_fields=["is_closed"])
        try:
            with transaction.atomic():
                return JournalChapter.objects.create(
                    instance=instance, number=_next_number(instance)
                )
        except IntegrityError:
            raise Superseded from None


def record_made(*, chapter: JournalChapter) -> None:
    """Its repository is there; from now on its absence is a loss."""
    chapter.made_at = timezone.now()
    chapter.save(update_fields=["made_at"])


# Few large pieces for many small ones


def unmerged_chapters() -> list[JournalChapter]:
    """Full ones of many pieces, whose files are gone from the server."""
    going_on = JournalPiece.objects.filter(is_fetched=False, journal__ended_at=None)
    uncleared = going_on.values("chapter_id")
    return list(
        JournalChapter.objects.filter(is_closed=True, let_go_at=None)
        .exclude(pk__in=uncleared)
        .annotate(count=Count("pieces"))
        .filter(count__gt=MANY_PIECES)
        .select_related("instance")
    )


def begin_merged(*, chapter: JournalChapter) -> JournalChapter:
    """One of the same instance that takes the place of this one; nothing else goes into it."""
    with transaction.atomic():
        Instance.objects.select_for_update(no_key=True).get(pk=chapter.instance_id)
        return JournalChapter.objects.create(
            instance=chapter.instance,
            number=_next_number(chapter.instance),
            is_closed=True,
            began_at=chapter.began_at,
        )


@contextmanager
def replacing(*, chapter: JournalChapter, by: JournalChapter) -> Iterator[None]:
    """A transaction in which the pieces of the one become those of the other.

    Raises ``Superseded`` where the instance is just being restored, which reads them, and where one
    of the two is gone. The first one is let go.
    """
    with transaction.atomic():
        # Whoever asks for an operation locks the instance first.
        locked = Instance.objects.select_for_update(no_key=True).get(pk=chapter.instance_id)
        restoring = locked.operations.filter(kind=Operation.Kind.RESTORE, state__in=ACTIVE_STATES)
        both = JournalChapter.objects.select_for_update().filter(
            pk__in=(chapter.pk, by.pk), let_go_at=None
        )
        if restoring.exists() or len(both) < 2:
            raise Superseded
        yield
        let_go_of(chapter=chapter)


def replace_pieces(
    *,
    pieces: Sequence[JournalPiece],
    by: uuid.UUID,
    chapter: JournalChapter,
    written: Mapping[str, Any],
    is_copied: bool,
) -> None:
    """One piece in the place of these. To be called within ``replacing``."""
    JournalPiece.objects.create(
        pk=by,
        journal=pieces[0].journal,
        chapter=chapter,
        names=list(dict.fromkeys(name for each in pieces for name in each.names)),
        written=dict(written),
        size_bytes=written["size"],
        stored_at=pieces[-1].stored_at,
        until=max((each.until for each in pieces if each.until), default=None),
        is_fetched=True,
        is_copied=is_copied,
    )
    JournalPiece.objects.filter(pk__in=[each.pk for each in pieces]).delete()


@transaction.atomic
def let_go_of_chapters(*, instance: Instance, now: datetime) -> None:
    """Those count no more that are closed, and that no needed base is followed through."""
    Instance.objects.select_for_update(no_key=True).get(pk=instance.pk)
    needed = reading.needed_bases(instance, now=now)
    closed = JournalChapter.objects.filter(instance=instance, is_closed=True, let_go_at=None)
    for each in closed.select_for_update(of=("self",)):
        if not any(_leads_on(each, base) for base in needed):
            let_go_of(chapter=each)


def let_go_of(*, chapter: JournalChapter) -> None:
    """It counts no more. The caller is in a transaction that holds the chapter."""
    chapter.pieces.all().delete()
    chapter.let_go_at = timezone.now()
    chapter.save(update_fields=["let_go_at"])


def doomed_chapters(*, instance: Instance) -> list[JournalChapter]:
    """Those that were let go and may still lie in the store."""
    mine = JournalChapter.objects.filter(instance=instance, destroyed_at=None)
    return list(mine.filter(let_go_at__isnull=False).select_related("instance"))


def record_destroyed(*, chapter: JournalChapter) -> None:
    """Its repository is gone."""
    chapter.destroyed_at = timezone.now()
    chapter.save(update_fields=["destroyed_at"])


def _leads_on(chapter: JournalChapter, base: JournalBase) -> bool:
    pieces = chapter.pieces.filter(journal=base.journal_id)
    return any(max(each.names) >= base.first_segment for each in pieces if each.names)


def _next_number(instance: Instance) -> int:
    used = JournalChapter.objects.filter(instance=instance).aggregate(last=Max("number"))
    return (used["last"] or 0) + 1
