"""Restoring to a moment from the second place, on two directories of which the first is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from hosting.engines.memory import MemoryEngine
from hosting.flows import stacks
from hosting.flows.saving import off_site, repositories, shipping
from hosting.models import (
    Backup,
    Incident,
    Instance,
    Journal,
    JournalChapter,
    JournalPiece,
    Operation,
    Plan,
    Restore,
)
from hosting.selectors.saving import journals as reading
from hosting.services.saving import backup_stores, backups, restores
from tenants.errors import Refused
from tenants.services.actors import Actor
from tests.hosting.engines import tars
from tests.hosting.pretended_database import BASE, Server, segment

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("answering")]


@pytest.fixture
def server(
    small: Plan,
    order: Order,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    backup_target: Path,
    away: Path,
) -> Server:
    """The database of a book that runs."""
    Plan.objects.update(point_in_time_days=7)
    book = order("book")
    assert work_off(book).state == Operation.State.SUCCEEDED
    server = Server(at=timezone.now() - timedelta(hours=3))
    memory_engine._read_command = server.read
    memory_engine._run_command = server.run
    files = tars.tar(tars.folder("./"), tars.file("./file", b"of then"))
    memory_engine._world.files[f"{book.project}-data"] = files
    return server


@pytest.fixture
def book(server: Server, work_off: WorkOff, actor: Actor) -> Instance:
    """It, with a base and three pieces of its journal, all of it in both places."""
    book = Instance.objects.get()
    server.write(1)
    fetch()
    backups.request(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    for numbers in ((2, 3), (4,)):
        server.write(*numbers)
        fetch()
    off_site.copy_due()
    return book


def fetch() -> datetime:
    """The moment up to which the store has it after that."""
    Journal.objects.update(due_at=timezone.now())
    shipping.ship_due()
    until = Journal.objects.get(ended_at=None).archived_until
    assert until is not None
    return until


def lose(place: Path) -> None:
    """All repositories are gone; their disk is there."""
    for each in place.glob("*/*"):
        shutil.rmtree(each)


def damage_journal(place: Path) -> None:
    """Another byte in the middle of each file of the journal's data."""
    for each in place.glob("*/*.journal-*/data/*/*"):
        content = bytearray(each.read_bytes())
        content[len(content) // 2] ^= 0xFF
        each.chmod(0o600)
        each.write_bytes(content)


def restored(
    book: Instance, at: datetime, work_off: WorkOff, actor: Actor
) -> tuple[Restore, Operation]:
    made = restores.request_to(instance=book, at=at, actor=actor)
    operation = work_off(book)
    made.refresh_from_db()
    return made, operation


def brought_back(engine: MemoryEngine, book: Instance) -> tuple[bytes, bytes, list[str]]:
    """Of the database's files one, one of the app's, and which pieces of the journal."""
    stack = stacks.build(book)

    def files(name: str) -> dict[str, tuple[object, ...]]:
        [volume] = [each.name for each in stack.volumes if f"-{name}" in each.name]
        return tars.shown(engine.read_volume(stack, volume))

    rows, file = files("postgres")["./pgdata/base/1"][-1], files("data")["./file"][-1]
    assert isinstance(rows, bytes)
    assert isinstance(file, bytes)
    pieces = [Path(each).stem for each in sorted(files("db-journal")) if each.endswith(".gz")]
    return rows, file, pieces


@pytest.mark.parametrize("loss", [lose, damage_journal])
def test_a_moment_is_reached_from_the_second_place_where_the_first_is_broken(
    book: Instance,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    backup_target: Path,
    loss: Callable[[Path], None],
) -> None:
    until = fetch()
    loss(backup_target)
    made, operation = restored(book, until, work_off, actor)
    assert (operation.state, operation.reason) == (Operation.State.SUCCEEDED, "")
    assert made.is_from_copy
    assert brought_back(memory_engine, book) == (
        b"rows",
        b"of then",
        [segment(number) for number in (2, 3, 4)],
    )
    told = Incident.objects.values_list("kind", flat=True)
    assert set(told) == {Incident.Kind.BACKUP_DAMAGED}


def test_what_only_the_first_place_had_can_be_reached_no_more_and_what_was_before_can(
    book: Instance,
    server: Server,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    backup_target: Path,
) -> None:
    before = fetch()
    server.write(5)
    latest = fetch()
    lose(backup_target)
    before_anything = memory_engine.observe(str(book.pk))
    _, operation = restored(book, latest, work_off, actor)
    assert operation.state == Operation.State.FAILED
    assert operation.reason == (
        f"the second place has the journal of db up to {before:%Y-%m-%d %H:%M:%S} UTC:"
        " choose a moment before that"
    )
    assert memory_engine.observe(str(book.pk)) == before_anything
    _, operation = restored(book, before, work_off, actor)
    assert (operation.state, operation.reason) == (Operation.State.SUCCEEDED, "")
    assert brought_back(memory_engine, book)[-1] == [segment(number) for number in (2, 3, 4)]


def test_moments_of_before_a_first_place_was_begun_anew_are_reached(
    book: Instance,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    backup_target: Path,
    settings: Settings,
) -> None:
    until = fetch()
    lose(backup_target)
    backups.request(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.FAILED
    backup_stores.begin_anew(instance=book, confirmation="book", actor=actor)
    assert [each.end for each in reading.spans(book)] == [until]
    made, operation = restored(book, until, work_off, actor)
    assert (operation.state, operation.reason) == (Operation.State.SUCCEEDED, "")
    assert (made.is_from_copy, book.generation) == (True, 2)
    assert brought_back(memory_engine, book)[0] == b"rows"
    settings.BERTH_BACKUP_COPY = ""  # and where there is no second place any more
    assert reading.spans(book) == []
    with pytest.raises(Refused, match="can't be restored to a minute yet"):
        restores.request_to(instance=book, at=until, actor=actor)


def test_what_was_lost_with_a_first_place_is_on_the_line_no_more(
    book: Instance, server: Server, work_off: WorkOff, actor: Actor, backup_target: Path
) -> None:
    before = fetch()
    server.write(5)
    fetch()
    lose(backup_target)
    backups.request(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.FAILED
    off_site.copy_due()  # waits for a person
    assert JournalPiece.objects.filter(names=[segment(5)]).exists()
    backup_stores.begin_anew(instance=book, confirmation="book", actor=actor)
    server.base = BASE.replace(segment(2).encode(), segment(6).encode())
    backups.request(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    off_site.copy_due()
    assert not JournalPiece.objects.filter(names=[segment(5)]).exists()
    assert reading.uncopied_since(book) is None
    assert not Incident.objects.filter(closed_at=None).exists()
    assert reading.spans(book)[0].end == before


def test_a_piece_that_the_second_place_has_lost_is_named_and_told(
    book: Instance, work_off: WorkOff, actor: Actor, away: Path
) -> None:
    until = fetch()
    [chapter] = JournalChapter.objects.all()
    second = repositories.copy_of_chapter(chapter)
    assert second is not None
    piece = JournalPiece.objects.get(names=[segment(4)])
    second.forget([each.id for each in second.snapshots(tags=[shipping.tag(piece.pk)])])
    made = restores.request_to(instance=book, at=until, actor=actor)
    Restore.objects.filter(pk=made.pk).update(is_from_copy=True)
    operation = work_off(book)
    assert operation.reason == f"a piece of {chapter} is not in the second place any more"
    assert operation.undoing == ""
    assert Incident.objects.get(closed_at=None).kind == Incident.Kind.BACKUP_NOT_COPIED


def test_the_first_place_is_read_as_long_as_it_is_well(
    book: Instance, work_off: WorkOff, actor: Actor, away: Path
) -> None:
    lose(away)
    made, operation = restored(book, fetch(), work_off, actor)
    assert (operation.state, operation.reason) == (Operation.State.SUCCEEDED, "")
    assert not made.is_from_copy
    assert Backup.objects.filter(made_before_restore=made).exists()
