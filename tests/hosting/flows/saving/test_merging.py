"""Making few pieces of many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from hosting.flows.saving import merging, repositories, shipping
from hosting.models import Incident, Instance, Journal, JournalChapter, JournalPiece
from hosting.selectors.saving import journals as reading
from hosting.services.saving import journal_chapters, journals
from hosting.services.working import operations
from tenants.services.actors import Actor
from tests.hosting.engines import tars
from tests.hosting.journaled import journal, name

Order = Callable[..., Instance]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def chapter(
    order: Order, memory_server: object, backup_target: Path, monkeypatch: pytest.MonkeyPatch
) -> JournalChapter:
    """A full one, with pieces of two journals."""
    monkeypatch.setattr(journal_chapters, "MANY_PIECES", 3)
    book = order("book")
    book.operations.update(state="succeeded", finished_at=timezone.now())
    one = journal(book, None, ended_at=timezone.now())
    other = journal(book, None)
    chapter = journal_chapters.chapter_of(journal=one)
    repository = repositories.of_chapter(chapter)
    repository.ensure()
    journal_chapters.record_made(chapter=chapter)
    for kept, number in ((one, 1), (one, 2), (other, 3), (one, 3)):
        content = tars.tar(tars.file(f"{name(number)}.gz", f"{kept.pk} {number}".encode()))
        written = repository.write("journal/db.tar", [content], tags=["journal"])
        JournalPiece.objects.create(
            journal=kept,
            chapter=chapter,
            names=[name(number)],
            written=asdict(written),
            size_bytes=written.size,
            is_fetched=True,
        )
    journals.end_all(instance=book)
    chapter.refresh_from_db()
    return chapter


def contents(kept: Journal) -> list[tuple[list[str], dict[str, object]]]:
    found = []
    for piece in reading.pieces_of(kept):
        written = shipping.written_of(piece)
        read = repositories.of_chapter(piece.chapter).read(written.snapshot, written.path)
        found.append((piece.names, {key: each[-1] for key, each in tars.shown(read).items()}))
    return found


def test_what_was_in_many_is_in_one_and_the_old_is_gone(
    chapter: JournalChapter, backup_target: Path
) -> None:
    merging.merge_due()
    other, one = Journal.objects.order_by("-began_at")
    for kept, numbers in ((one, (1, 2, 3)), (other, (3,))):
        files = {f"{name(number)}.gz": f"{kept.pk} {number}".encode() for number in numbers}
        assert contents(kept) == [([name(number) for number in numbers], files)]
    assert [each.name[-10:] for each in backup_target.glob("*/*")] == [".journal-2"]
    merging.merge_due()  # it has few pieces now
    assert JournalChapter.objects.count() == 2


def test_large_pieces_are_not_made_larger(
    chapter: JournalChapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "LARGE_BYTES", 2 * JournalPiece.objects.all()[0].size_bytes)
    merging.merge_due()
    one = Journal.objects.order_by("began_at")[0]
    assert [names for names, _ in contents(one)] == [[name(1), name(2)], [name(3)]]


def test_what_is_just_being_restored_is_left_alone(chapter: JournalChapter, actor: Actor) -> None:
    Instance.objects.update(state="running", first_running_at=timezone.now())
    instance = Instance.objects.get()
    with transaction.atomic():
        operations.request(instance=instance, kind="restore", actor=actor)
    merging.merge_due()
    assert chapter.pieces.count() == 4
    instance.operations.update(state="succeeded", finished_at=timezone.now())
    merging.merge_due()
    assert chapter.pieces.count() == 0


def test_what_lies_on_the_server_still_is_left_alone(chapter: JournalChapter) -> None:
    lying = JournalPiece.objects.filter(names=[name(2)])
    lying.update(is_fetched=False)
    going_on = Journal.objects.filter(pieces__in=lying)
    going_on.update(ended_at=None)
    merging.merge_due()
    assert chapter.pieces.count() == 4
    going_on.update(ended_at=timezone.now())  # with its volume
    merging.merge_due()
    assert chapter.pieces.count() == 0


def test_damage_is_told_and_nothing_is_thrown_away(
    chapter: JournalChapter, backup_target: Path
) -> None:
    for piece in JournalPiece.objects.filter(names=[name(2)]):
        piece.written |= {"sha256": "0" * 64}
        piece.save()
    merging.merge_due()
    assert chapter.pieces.count() == 4
    assert Incident.objects.filter(kind=Incident.Kind.BACKUP_DAMAGED, closed_at=None).exists()
