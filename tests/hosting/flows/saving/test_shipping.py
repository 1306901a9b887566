"""Fetching journals from a pretended server into a real store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from hosting.engines.errors import GiveUp, TryLater
from hosting.engines.memory import MemoryEngine
from hosting.flows.saving import repositories, shipping
from hosting.flows.working import periodic
from hosting.models import (
    Incident,
    Instance,
    Journal,
    JournalChapter,
    JournalPiece,
    Operation,
    Plan,
    Server,
)
from hosting.selectors.saving import journals as reading
from hosting.services.saving import journal_alarm, journal_chapters, journals
from tests.hosting.engines import tars
from tests.hosting.pretended_database import Database, segment

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def book(
    small: Plan,
    order: Order,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    backup_target: Path,
) -> Instance:
    """An instance that runs, on a plan whose journals are kept."""
    Plan.objects.update(point_in_time_days=7)
    instance = order("book")
    assert work_off(instance).state == Operation.State.SUCCEEDED
    return instance


@pytest.fixture
def database(book: Instance, memory_engine: MemoryEngine) -> Database:
    database = Database()
    memory_engine._read_command = database.answer
    return database


def fetch() -> Journal:
    """What a scheduler does once it is due."""
    Journal.objects.update(due_at=timezone.now())
    shipping.ship_due()
    return Journal.objects.get(ended_at=None)


def stored(piece: JournalPiece) -> dict[str, object]:
    written = shipping.written_of(piece)
    read = repositories.of_chapter(piece.chapter).read(written.snapshot, written.path)
    return {name: each[-1] for name, each in tars.shown(read).items()}


def test_what_was_stored_is_removed_at_the_next_time(database: Database) -> None:
    database.write(1, 2)
    journal = fetch()
    assert (journal.archived_until, journal.last_segment) == (database.at, segment(2))
    [piece] = journal.pieces.all()
    assert stored(piece) == {f"{segment(1)}.gz": b"1", f"{segment(2)}.gz": b"2"}
    assert sorted(database.files) == [segment(1), segment(2)]
    database.last, database.at = "-", database.at + timedelta(seconds=20)
    journal = fetch()
    assert database.files == {}
    assert (journal.archived_until, journal.pieces.count()) == (database.at, 1)
    assert JournalChapter.objects.count() == 1
    place = ("/var/lib/postgresql/journal/g1", "guestbook", "guestbook", "1", "700:700:")
    assert database.asked[-1] == (*place, segment(1), segment(2), "--")


def test_an_idle_database_is_known_by_its_transactions(database: Database) -> None:
    database.write(1)
    database.snapshot = "700:702:700"  # one goes on, and may be committed at any time
    fetch()
    fetch()
    assert database.asked[-1][4] == ""
    database.snapshot = "702:702:"
    fetch()
    fetch()
    assert database.asked[-1][4] == "702:702:"


@pytest.mark.parametrize(("whole", "left"), [("no", 0), ("yes", 3)])
def test_it_promises_nothing_while_there_is_more(database: Database, whole: str, left: int) -> None:
    database.write(1)
    database.whole, database.left = whole, left
    journal = fetch()
    assert (journal.archived_until, journal.pieces.count()) == (None, 1)
    assert journal.due_at < timezone.now() + journals.EVERY / 2
    database.whole, database.left = "yes", 0
    assert fetch().archived_until == database.at


@pytest.mark.parametrize("later", [(3,), (2, 4)])
def test_a_gap_begins_another_journal(database: Database, later: tuple[int, ...]) -> None:
    database.write(1)
    first = fetch()
    database.write(*later)
    second = fetch()
    assert second != first
    first.refresh_from_db()
    assert "was lost" in first.ended_why
    assert (second.pieces.count(), second.last_segment) == (1, segment(later[-1]))
    assert second.archived_until == database.at


def test_what_was_left_out_at_the_end_is_a_gap_too(database: Database) -> None:
    database.write(1)
    first = fetch()
    database.write(2)
    del database.files[segment(2)]
    assert fetch() != first


def test_what_comes_again_is_no_gap(database: Database) -> None:
    database.write(1, 2)
    journal = fetch()
    JournalPiece.objects.update(is_fetched=True)  # as if it was removed, and handed over once more
    database.write(2, 3)
    assert fetch() == journal


def test_a_chapter_that_is_full_makes_way(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_chapters, "PIECES_A_CHAPTER", 1)
    for number in (1, 2):
        database.write(number)
        journal = fetch()
    numbers = [each.chapter.number for each in reading.pieces_of(journal)]
    assert numbers == [1, 2]
    assert [each.is_closed for each in JournalChapter.objects.all()] == [True, False]


def test_who_was_overtaken_writes_nothing_down(database: Database) -> None:
    database.write(1)
    database.meanwhile = _overtake
    journal = fetch()
    assert (journal.pieces.count(), journal.archived_until) == (0, None)
    database.meanwhile = lambda: None
    assert fetch().pieces.count() == 1


def _overtake() -> None:
    Journal.objects.update(token=None)


def test_only_one_takes_it(database: Database) -> None:
    fetch()
    Journal.objects.update(due_at=timezone.now())
    assert journals.take(now=timezone.now()) is not None
    assert journals.take(now=timezone.now()) is None
    assert journals.take(now=timezone.now() + 2 * journals.LEASE) is not None


def test_one_that_keeps_none_yet_says_so(database: Database) -> None:
    database.is_ours = False
    journal = fetch()
    assert "it begins when the instance is restarted" in journal.trouble
    assert (journal.archived_until, journal.is_unkept) == (None, True)
    assert reading.waits_for_start(journal.instance)
    database.is_ours = True
    assert not fetch().is_unkept


def test_a_server_that_is_silent_is_not_waited_for(database: Database, book: Instance) -> None:
    Server.objects.update(retry_at=timezone.now())
    assert fetch().trouble == "server memory does not answer"
    assert database.asked == []


def test_a_container_that_talks_nonsense_is_not_believed(
    database: Database, memory_engine: MemoryEngine
) -> None:
    for said in (b"", b"sh: not found\n\n", b"berth-journal x y z yes 0\n\n"):
        memory_engine._read_command = lambda *_, said=said: [said]
        journal = fetch()
        assert journal.trouble
        assert journal.archived_until is None
    with pytest.raises(GiveUp):
        shipping.read_head(iter([b"berth-journal 1 2:2: - yes 0\n../../etc/passwd\n\n"]))
    with pytest.raises(TryLater):
        shipping.read_head(iter([b"x" * 100_000, b"\n\n"]))


def test_a_stream_that_breaks_off_leaves_nothing(
    database: Database, memory_engine: MemoryEngine
) -> None:
    def broken() -> None:
        raise TryLater("the connection broke off")

    database.write(1)
    database.meanwhile = broken
    journal = fetch()
    assert "broke off" in journal.trouble
    assert journal.pieces.count() == 0
    chapter = JournalChapter.objects.get()
    assert repositories.of_chapter(chapter).snapshots() == ()


def test_a_chapter_that_was_lost_is_never_made_anew(
    database: Database, backup_target: Path
) -> None:
    database.write(1)
    fetch()
    [directory] = backup_target.glob("*/*.journal-1")
    directory.rename(directory.with_suffix(".gone"))
    database.write(2)
    assert "does not exist" in fetch().trouble
    assert Incident.objects.filter(kind=Incident.Kind.BACKUP_DAMAGED, closed_at=None).exists()


def test_other_data_has_another_journal(database: Database, book: Instance) -> None:
    database.write(1)
    first = fetch()
    Instance.objects.update(generation=2)
    second = fetch()
    assert (first.generation, second.generation) == (1, 2)
    first.refresh_from_db()
    assert first.ended_why == "The instance went over to other data."
    Plan.objects.update(point_in_time_days=0)
    shipping.ship_due()
    assert not Journal.objects.filter(ended_at=None).exists()


def test_going_back_goes_on_with_what_lies_there(database: Database, book: Instance) -> None:
    database.write(1)
    first = fetch()
    database.write(2)  # and before it is fetched the instance goes over to other data, and back
    for generation in (2, 1):
        Instance.objects.update(generation=generation)
        JournalPiece.objects.filter(journal__generation=2).delete()
        now = fetch()
    assert (now.generation, now.pieces.count()) == (1, 1)
    assert database.asked[-1][0] == "/var/lib/postgresql/journal/g1"
    first.refresh_from_db()
    assert first.ended_why == "The instance went over to other data."
    assert now.began_at > first.began_at
    assert reading.baseless_since(book) == now.began_at
    journals.request_bases(now=timezone.now())
    assert book.backups.count() == 1, "at once, however late the last one was"


def test_what_is_stopped_is_asked_for_no_base(database: Database, book: Instance) -> None:
    database.write(1)
    fetch()
    Instance.objects.update(state=Instance.State.STOPPED)
    journals.request_bases(now=timezone.now())
    assert not book.backups.exists()


def test_a_journal_without_a_base_asks_for_a_backup(database: Database, book: Instance) -> None:
    database.is_ours = False
    periodic.ship_journals()
    assert not book.backups.exists()  # it would hold none
    database.is_ours = True
    database.write(1)
    fetch()
    journals.request_bases(now=timezone.now())
    [backup] = book.backups.all()
    assert backup.trigger == "nightly"
    book.operations.filter(backup=backup).update(
        state=Operation.State.FAILED, finished_at=timezone.now(), reason="it broke off"
    )
    journals.request_bases(now=timezone.now())
    assert book.backups.count() == 1  # not again and again
    journals.request_bases(now=timezone.now() + journals.BASE_RETRY * 1.1)
    assert book.backups.count() == 2


def test_it_is_told_when_it_falls_behind(database: Database, book: Instance) -> None:
    database.write(1)
    journal = fetch()
    now = database.at + timedelta(seconds=50)
    assert journal_alarm.watch(now=now) == 0
    Journal.objects.filter(pk=journal.pk).update(trouble="the store is away")
    assert journal_alarm.watch(now=now + timedelta(seconds=20)) == 1
    incident = Incident.objects.get(kind=Incident.Kind.JOURNAL_BEHIND, closed_at=None)
    assert incident.summary.endswith("before 2026-03-01 02:35:16 UTC: the store is away")
    Instance.objects.update(state=Instance.State.STOPPED)  # nothing is written any more
    assert journal_alarm.watch(now=now + timedelta(seconds=20)) == 0
    incident.refresh_from_db()
    assert incident.closed_at is not None
