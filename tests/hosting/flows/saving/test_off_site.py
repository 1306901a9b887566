"""Journals in the second place, on real stores: a directory, and an S3 server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from hosting.engines.memory import MemoryEngine
from hosting.flows.saving import chapters, merging, off_site, repositories, shipping
from hosting.models import (
    Incident,
    Instance,
    Journal,
    JournalChapter,
    JournalPiece,
    Operation,
    Plan,
)
from hosting.selectors.saving import journals as reading
from hosting.services.saving import journal_chapters
from tests.hosting.engines import tars
from tests.hosting.engines.restic.servers import S3Server, s3_server
from tests.hosting.pretended_database import Database, segment

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path / "s3" / "objects") as server:
        yield server


@pytest.fixture
def database(
    small: Plan,
    order: Order,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    backup_target: Path,
) -> Database:
    """That of an instance that runs, on a plan whose journals are kept."""
    Plan.objects.update(point_in_time_days=7)
    assert work_off(order("book")).state == Operation.State.SUCCEEDED
    database = Database()
    memory_engine._read_command = database.answer
    return database


@pytest.fixture
def away(settings: Settings, tmp_path: Path) -> Path:
    """The second place: a directory."""
    place = tmp_path / "off-site"
    place.mkdir()
    settings.BERTH_BACKUP_COPY = str(place)
    return place


def fetch() -> Journal:
    Journal.objects.update(due_at=timezone.now())
    shipping.ship_due()
    return Journal.objects.get(ended_at=None)


def there(chapter: JournalChapter) -> list[dict[str, object]]:
    """What can be read from the second place alone, oldest first."""
    second = repositories.copy_of_chapter(chapter)
    assert second is not None
    found = second.snapshots()
    read = [tars.shown(second.read(each.id, each.path)) for each in found]
    return [{name: each[-1] for name, each in files.items()} for files in read]


def test_what_was_stored_is_brought_to_the_second_place(database: Database, away: Path) -> None:
    database.write(1)
    journal = fetch()
    assert reading.uncopied_since(journal.instance) is not None
    off_site.copy_due()
    [chapter] = JournalChapter.objects.all()
    assert there(chapter) == [{f"{segment(1)}.gz": b"1"}]
    assert reading.uncopied_since(journal.instance) is None
    database.write(2)
    fetch()
    off_site.copy_due()
    off_site.copy_due()
    assert there(chapter) == [{f"{segment(1)}.gz": b"1"}, {f"{segment(2)}.gz": b"2"}]


def test_a_store_on_s3_takes_journals_and_a_second_one_copies_them(
    database: Database, s3: S3Server, settings: Settings, away: Path
) -> None:
    target = s3.target()
    settings.BERTH_BACKUP_TARGET = target.location
    settings.BERTH_BACKUP_TARGET_ENVIRONMENT = dict(target.environment)
    for number in (1, 2):
        database.write(number)
        journal = fetch()
    assert (journal.trouble, journal.archived_until) == ("", database.at)
    [chapter] = JournalChapter.objects.all()
    pieces = reading.pieces_of(journal)
    for piece in pieces:
        repositories.of_chapter(chapter).verify(shipping.written_of(piece))
    off_site.copy_due()
    assert [list(each) for each in there(chapter)] == [[f"{segment(1)}.gz"], [f"{segment(2)}.gz"]]
    # And the other way round: from a directory to S3, which has other credentials.
    settings.BERTH_BACKUP_TARGET, settings.BERTH_BACKUP_TARGET_ENVIRONMENT = str(away), {}
    settings.BERTH_BACKUP_COPY = f"{target.location}-2"
    settings.BERTH_BACKUP_COPY_ENVIRONMENT = dict(target.environment)
    for piece, found in zip(pieces, repositories.of_chapter(chapter).snapshots(), strict=True):
        piece.written = {**piece.written, "snapshot": found.id}
        piece.save()
    off_site.copy_due()
    assert [list(each) for each in there(chapter)] == [[f"{segment(1)}.gz"], [f"{segment(2)}.gz"]]
    chapter.is_closed = True
    chapter.save()
    JournalPiece.objects.all().delete()
    chapters.destroy(journal.instance)
    chapter.refresh_from_db()
    assert chapter.destroyed_at is not None
    assert not list(s3.directory.glob("backups/berth-2/*/*.journal-1/snapshots/*"))


def test_a_second_place_that_is_away_keeps_nothing_from_the_first(
    database: Database, away: Path
) -> None:
    away.rename(away.with_name("not-mounted"))
    database.write(1)
    journal = fetch()
    off_site.copy_due()
    assert (journal.trouble, journal.archived_until) == ("", database.at)
    assert reading.uncopied_since(journal.instance) is not None
    assert not Incident.objects.filter(closed_at=None).exists()  # told by its age
    away.with_name("not-mounted").rename(away)
    off_site.copy_due()
    assert reading.uncopied_since(journal.instance) is None


def test_one_that_was_lost_there_is_never_made_anew(database: Database, away: Path) -> None:
    database.write(1)
    fetch()
    off_site.copy_due()
    [directory] = away.glob("*/*.journal-1")
    directory.rename(directory.with_suffix(".gone"))
    database.write(2)
    fetch()
    off_site.copy_due()
    assert Incident.objects.filter(kind=Incident.Kind.BACKUP_DAMAGED, closed_at=None).exists()
    assert not directory.exists()


def test_few_large_pieces_are_there_before_the_many_small_ones_go(
    database: Database, away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_chapters, "MANY_PIECES", 1)
    for number in (1, 2):
        database.write(number)
        journal = fetch()
    JournalChapter.objects.update(is_closed=True)
    JournalPiece.objects.update(is_fetched=True)
    merging.merge_due()
    assert JournalChapter.objects.count() == 1  # first all of it goes there
    off_site.copy_due()
    merging.merge_due()
    [piece] = reading.pieces_of(journal)
    assert (piece.is_copied, piece.chapter.number) == (True, 2)
    both = {f"{segment(1)}.gz": b"1", f"{segment(2)}.gz": b"2"}
    assert there(piece.chapter) == [both]
    assert [each.name[-10:] for each in away.glob("*/*")] == [".journal-2"]


def test_what_was_let_go_meanwhile_leaves_nothing_there(
    database: Database, away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.write(1)
    fetch()
    [chapter] = JournalChapter.objects.all()
    here = repositories.of_chapter(chapter)

    def let_go(*_: object, **__: object) -> object:
        JournalChapter.objects.update(let_go_at=timezone.now() - timedelta(seconds=1))
        return here

    monkeypatch.setattr(repositories, "of_chapter", let_go)
    off_site.copy(chapter)
    assert list(away.glob("*/*")) == []
