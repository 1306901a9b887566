"""Journals in the second place: what is not there yet, and what was brought there."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from hosting.models import JournalChapter, JournalPiece
from hosting.selectors import journals as reading


def waiting() -> list[JournalChapter]:
    """The chapters of which some is not in the second place yet, the longest waiting first."""
    pieces = reading.uncopied().order_by("stored_at")
    ids = dict.fromkeys(pieces.values_list("chapter_id", flat=True))
    found = JournalChapter.objects.select_related("instance").in_bulk(list(ids))
    return [found[each] for each in ids if each in found]


@transaction.atomic
def record_place(*, chapter: JournalChapter, place: str) -> None:
    """Its repository is there; nothing of it yet. From now on its absence is a loss."""
    chapter.pieces.update(is_copied=False)
    chapter.copied_to = place
    chapter.save(update_fields=["copied_to"])


@transaction.atomic
def record(*, chapter: JournalChapter, pieces: Collection[JournalPiece]) -> bool:
    """These are in the second place as well. False where the chapter was let go meanwhile."""
    held = JournalChapter.objects.select_for_update(of=("self",)).get(pk=chapter.pk)
    if held.let_go_at is not None:
        return False
    held.pieces.filter(pk__in=[each.pk for each in pieces]).update(is_copied=True)
    return True
