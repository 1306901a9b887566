"""Bringing backups to the second place, and what is done where one of the two is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from hosting.engines.errors import GiveUp
from hosting.engines.memory import MemoryEngine
from hosting.flows.base import Work
from hosting.flows.saving import (
    choosing,
    copies,
    reading,
    repositories,
    snapshots,
    sources,
)
from hosting.models import Backup, BackupStore, Incident, Instance, Operation
from hosting.services.saving import backup_copies, backup_stores, backups, restores
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services.actors import Actor
from tests.hosting.flows.two_places import (
    damage,
    file,
    filled,
    is_copied,
    lose,
    open_kinds,
    output,
    saved,
    unmount,
    until_it_ends,
)

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("answering")]


@pytest.fixture
def book(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff, backup_target: Path, away: Path
) -> Instance:
    """An instance with a file in its volume."""
    instance = order("book")
    work_off(instance)
    return filled(instance, memory_engine)


@pytest.fixture
def backup(book: Instance, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor) -> Backup:
    """Of that, in both places; by now the file is another."""
    return saved(book, memory_engine, work_off, actor)


def test_a_backup_is_none_the_worse_for_a_second_place_that_is_away(
    book: Instance, work_off: WorkOff, actor: Actor, away: Path
) -> None:
    unmount(away)
    made = backups.request(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.QUEUED  # it is asked again first
    operation = until_it_ends(work_off, book)
    assert (operation.state, operation.reason) == ("succeeded", "")
    assert operation.attempt == choosing.TRIES
    assert "this backup is in the first place only" in output(operation)
    copies.copy_due()
    assert not is_copied(made)
    away.with_name("not-mounted").rename(away)
    copies.copy_due()  # an hour must pass first
    assert not is_copied(made)
    BackupStore.objects.update(copy_at=timezone.now())
    copies.copy_due()
    assert is_copied(made)
    sources.second(Backup.objects.get(pk=made.pk)).check()


def test_copying_looks_at_the_lease_and_the_clock(
    book: Instance,
    work_off: WorkOff,
    actor: Actor,
    away: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "CHECK_EVERY_SECONDS", 0.0)
    report = Work.report

    def late(work: Work, line: str) -> None:
        if work.step.name == "copy" and line == "":  # restic is at it
            raise GiveUp("the time is up")
        report(work, line)

    monkeypatch.setattr(Work, "report", late)
    made = backups.request(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    assert not is_copied(made)


def test_another_second_place_has_nothing_yet_and_is_given_all(
    book: Instance, backup: Backup, away: Path, settings: Settings
) -> None:
    other = away.with_name("further-away")
    other.mkdir()
    settings.BERTH_BACKUP_COPY = str(other)
    assert not backup.is_in_second_place
    copies.copy_due()
    backup.refresh_from_db()
    assert (backup.is_in_second_place, backup.copied_to) == (True, str(other))
    for written in snapshots.written_of(backup):
        assert sum(map(len, sources.second(backup).read(written))) == written.size


@pytest.mark.parametrize("loss", [lose, damage])
def test_a_copy_that_is_lost_is_told_and_begun_anew_by_a_person_only(
    book: Instance,
    backup: Backup,
    work_off: WorkOff,
    actor: Actor,
    away: Path,
    settings: Settings,
    loss: Callable[[Path], None],
) -> None:
    settings.BERTH_BACKUP_COPY_READ_EVERY = timedelta(seconds=0.001)
    loss(away)
    told_of = "this backup is in the first place only" if loss is lose else "is not proven"
    before = sorted(away.glob("*/*/config"))
    made = backups.request(instance=book, actor=actor)
    operation = work_off(book)
    assert (operation.state, Backup.objects.get(pk=made.pk).is_good) == ("succeeded", True)
    assert told_of in output(operation)
    assert open_kinds() == {Incident.Kind.BACKUP_NOT_COPIED}
    backup_copies.watch(now=timezone.now())
    assert open_kinds() == {Incident.Kind.BACKUP_NOT_COPIED}
    assert sorted(away.glob("*/*/config")) == before
    backup_stores.begin_copy_anew(instance=book, confirmation="book", actor=actor)
    assert Backup.objects.filter(copied_at=None).count() == 2
    copies.copy_due()
    assert Backup.objects.filter(copied_to=str(away)).count() == 2
    assert (away / f"{book.client_id}/{book.pk}.2" / "config").exists()
    backup_copies.watch(now=timezone.now())
    assert open_kinds() == set()
    told = AuditEvent.objects.get(action="backup_store.begun_anew").after
    assert (told["place"], told["left"]) == ("second", f"{book.client_id}/{book.pk}")


def test_a_first_place_that_is_lost_is_begun_anew_by_a_person_who_knows(
    book: Instance,
    backup: Backup,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    backup_target: Path,
) -> None:
    only_here = backups.request(instance=book, actor=actor)
    work_off(book)
    Backup.objects.filter(pk=only_here.pk).update(copied_at=None, copied_to="")
    with pytest.raises(Refused, match="Nothing is known to be wrong"):
        backup_stores.begin_anew(instance=book, confirmation="book", actor=actor)
    lose(backup_target)
    backups.request(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.FAILED
    assert not list(backup_target.glob("*/*/config"))
    with pytest.raises(Refused, match="Type book to confirm"):
        backup_stores.begin_anew(instance=book, confirmation="acme", actor=actor)
    backup_stores.begin_anew(instance=book, confirmation="book", actor=actor)
    told = AuditEvent.objects.get(action="backup_store.begun_anew").after
    assert (told["place"], told["gone"], told["only_in_the_other"]) == ("first", 1, 1)
    for each in (backup, only_here):
        each.refresh_from_db()
    assert (backup.is_good, backup.is_in_first_place, only_here.is_good) == (True, False, False)
    fresh = backups.request(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    fresh.refresh_from_db()
    assert (fresh.is_in_first_place, fresh.is_in_second_place) == (True, True)
    assert (backup_target / f"{book.client_id}/{book.pk}.2" / "config").exists()
    assert open_kinds() == set()
    restores.request(instance=book, backup=backup, actor=actor)
    operation = work_off(book)
    assert (operation.state, operation.reason) == ("succeeded", "")
    assert "reading from the second place" in output(operation)
    assert file(memory_engine, book) == "as it was then"


def test_what_was_let_go_while_the_second_place_was_away_is_let_go_there_later(
    book: Instance, backup: Backup, work_off: WorkOff, actor: Actor
) -> None:
    let_go = timezone.now() - timedelta(days=40)
    Backup.objects.filter(pk=backup.pk).update(removed_at=let_go)
    backups.request(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    second = repositories.copy(book)
    assert second is not None
    assert not second.snapshots(tags=[snapshots.tag(backup)])
