"""Journals in the second place: what is not there yet, and what was brought there."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction
from django.db.models import Max

from hosting.models import BackupStore, Journal, JournalChapter, JournalPiece
from hosting.selectors.saving import journals as reading


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


def is_begun_anew(*, chapter: JournalChapter) -> bool:
    """Whether the first place of its instance's backups was ever begun anew."""
    return BackupStore.objects.filter(instance=chapter.instance_id, number__gt=1).exists()


@transaction.atomic
def give_up(*, chapter: JournalChapter) -> None:
    """What of it is not in the second place is nowhere: its journals end before that."""
    pieces = list(chapter.pieces.select_related("chapter").order_by("stored_at", "pk"))
    lost = [each for each in pieces if not reading.is_in_second_place(each)]
    for first in {each.journal_id: each for each in reversed(lost)}.values():
        before = JournalPiece.objects.filter(
            journal=first.journal_id, stored_at__lt=first.stored_at
        )
        until = before.aggregate(last=Max("until"))["last"]
        Journal.objects.filter(pk=first.journal_id).update(archived_until=until)
    JournalPiece.objects.filter(pk__in=[each.pk for each in lost]).delete()
