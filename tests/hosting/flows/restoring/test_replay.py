"""Bases within backups, and bringing databases to a moment, on a pretended server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from hosting.engines.errors import TryLater
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ContainerState
from hosting.flows import base as flow_base
from hosting.flows import stacks
from hosting.flows.moments import Moment
from hosting.flows.restoring import replay
from hosting.flows.saving import segments, shipping
from hosting.models import (
    Backup,
    Incident,
    Instance,
    Journal,
    JournalBase,
    JournalChapter,
    JournalPiece,
    Operation,
    OperationStep,
    Plan,
    Restore,
)
from hosting.services.saving import backups, restores
from tenants.services.actors import Actor
from tests.hosting.engines import tars
from tests.hosting.pretended_database import BASE, LABEL, Server, segment

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("answering")]


@pytest.fixture
def server(
    small: Plan, order: Order, memory_engine: MemoryEngine, work_off: WorkOff, backup_target: Path
) -> Server:
    Plan.objects.update(point_in_time_days=7)
    book = order("book")
    assert work_off(book).state == Operation.State.SUCCEEDED
    server = Server(at=timezone.now() - timedelta(hours=3))
    memory_engine._read_command = server.read
    memory_engine._run_command = server.run
    memory_engine._world.files[f"{book.project}-data"] = tars.tar(
        tars.folder("./"), tars.file("./file", b"of then")
    )
    return server


@pytest.fixture
def book(server: Server) -> Instance:
    """One that can be restored to any moment of some minutes."""
    server.write(1)
    fetch()
    return Instance.objects.get()


def fetch() -> None:
    Journal.objects.update(due_at=timezone.now())
    shipping.ship_due()


def saved(book: Instance, work_off: WorkOff, actor: Actor) -> Backup:
    backup = backups.request(instance=book, actor=actor)
    operation = work_off(book)
    assert (operation.state, operation.reason) == (Operation.State.SUCCEEDED, "")
    backup.refresh_from_db()
    return backup


@pytest.fixture
def backup(book: Instance, server: Server, work_off: WorkOff, actor: Actor) -> Backup:
    """With a base, and a journal that goes on after it."""
    made = saved(book, work_off, actor)
    for numbers in ((2, 3), (4,), (5,)):
        server.write(*numbers)
        fetch()
    return made


def restored(
    book: Instance, work_off: WorkOff, actor: Actor, *, minutes: float = 0
) -> tuple[Restore, Operation]:
    until = Journal.objects.get(ended_at=None).archived_until
    assert until is not None
    at = until - timedelta(minutes=minutes)
    made = restores.request_to(instance=book, at=at, actor=actor)
    return made, work_off(book)


def files(engine: MemoryEngine, book: Instance, name: str) -> dict[str, tuple[object, ...]]:
    """What lies in that volume of the generation that the instance runs on."""
    stack = stacks.build(book)
    [volume] = [each.name for each in stack.volumes if f"-{name}" in each.name]
    return tars.shown(engine.read_volume(stack, volume))


def test_a_backup_holds_a_base_and_says_from_where_it_is_followed(
    book: Instance, server: Server, work_off: WorkOff, actor: Actor
) -> None:
    began = server.at
    backup = saved(book, work_off, actor)
    [base] = JournalBase.objects.all()
    assert (base.backup, base.journal, base.first_segment) == (
        backup,
        Journal.objects.get(),
        segment(2),
    )
    assert (base.began_at, base.ended_at) == (began, began + timedelta(seconds=1))
    assert base.written in backup.stored
    [said] = backup.manifest["bases"]
    assert (said["service"], said["first_segment"]) == ("db", segment(2))
    assert backup.size_bytes < sum(each["size"] for each in backup.stored)  # as it was without


@pytest.mark.parametrize("changes", [{"base": b""}, {"base": tars.SOME}, {"generation": ""}])
def test_a_base_that_fails_costs_no_backup(
    book: Instance, server: Server, work_off: WorkOff, actor: Actor, changes: dict[str, object]
) -> None:
    for name, value in changes.items():
        setattr(server, name, value)
    backup = saved(book, work_off, actor)
    assert backup.is_good
    assert not JournalBase.objects.exists()
    assert backup.manifest["bases"] == []
    step = OperationStep.objects.get(operation__backup=backup, name="save")
    assert "no base for restoring to a minute" in step.output


def test_the_files_and_the_journal_are_put_beside_each_other(
    book: Instance,
    backup: Backup,
    server: Server,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    made, operation = restored(book, work_off, actor, minutes=0.5)
    assert (operation.state, operation.reason) == (Operation.State.SUCCEEDED, "")
    assert made.backup == backup
    assert (book.generation, server.promoted) == (2, 0)
    data = files(memory_engine, book, "postgres")
    assert {name: each[-1] for name, each in data.items()} == {
        ".": b"",
        "./pgdata": b"",
        "./pgdata/backup_label": LABEL.encode(),
        "./pgdata/base": b"",
        "./pgdata/base/1": b"rows",
        "./pgdata/standby.signal": b"",
    }
    assert data["./pgdata"][1:4] == ("0o700", 999, 999)
    kept = files(memory_engine, book, "db-journal")
    assert sorted(each for each in kept if each.endswith(".gz")) == [
        f"./journal/of-before-g2/{segment(number)}.gz" for number in (2, 3, 4, 5)
    ]
    assert files(memory_engine, book, "data")["./file"][-1] == b"of then"
    seen = memory_engine.observe(str(book.pk)).services
    assert {each.state for each in seen} == {ContainerState.RUNNING}
    expected = {each.name: each.spec_hash() for each in stacks.build(book).services}
    assert {each.name: each.spec_hash for each in seen} == expected  # nothing of it stays


def test_where_nothing_comes_after_the_moment_it_is_told_so(
    book: Instance, backup: Backup, server: Server, work_off: WorkOff, actor: Actor
) -> None:
    end = segments.end_of(segment(5))
    server.is_behind, server.place = True, f"{end >> 32:X}/{end & 0xFFFFFFFF:X}"
    _, operation = restored(book, work_off, actor)
    assert (operation.state, operation.reason) == (Operation.State.SUCCEEDED, "")
    assert server.promoted == 1


def test_what_cannot_be_followed_is_taken_back(
    book: Instance,
    backup: Backup,
    server: Server,
    work_off: WorkOff,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay, "STUCK_SECONDS", 0.0)
    server.is_behind, server.place = True, "0/2000100"
    _, operation = restored(book, work_off, actor)
    assert operation.state == Operation.State.FAILED
    assert operation.reason == (
        f"the journal of db can't be read beyond its piece {segment(5)}: the moment is not"
        " reached. Everything is as it was before."
    )
    assert (book.state, book.generation) == (Instance.State.RUNNING, 1)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda: JournalPiece.objects.filter(names=[segment(4)]).delete(),
            f"the piece {segment(4)} of the journal of db is missing",
        ),
        (
            lambda: JournalPiece.objects.exclude(names=[segment(5)]).delete(),
            f"the piece {segment(2)} of the journal of db is missing",
        ),
        (
            lambda: JournalPiece.objects.filter(names=[segment(4)]).update(
                written={**JournalPiece.objects.all()[0].written, "sha256": "0" * 64}
            ),
            "is not what was written",
        ),
    ],
)
def test_what_is_missing_or_damaged_is_refused_before_anything_is_touched(
    book: Instance,
    backup: Backup,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    spoil: Callable[[], object],
    sentence: str,
) -> None:
    spoil()
    before = memory_engine.observe(str(book.pk))
    _, operation = restored(book, work_off, actor)
    assert operation.state == Operation.State.FAILED
    assert sentence in operation.reason
    assert operation.undoing == ""
    assert memory_engine.observe(str(book.pk)) == before


def test_it_is_filled_anew_where_a_worker_has_died(
    book: Instance,
    backup: Backup,
    server: Server,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    broken = [TryLater("the engine was restarted")]

    def once(said: str) -> None:
        if said == "starting db" and Restore.objects.exists() and broken and _is_filling():
            raise broken.pop()

    memory_engine.faults.before_change = once
    _, operation = restored(book, work_off, actor)
    assert operation.state == Operation.State.QUEUED
    Operation.objects.filter(pk=operation.pk).update(run_after=timezone.now())
    assert work_off(book).state == Operation.State.SUCCEEDED
    assert "./pgdata/base/1" in files(memory_engine, book, "postgres")


def _is_filling() -> bool:
    return Operation.objects.filter(
        kind="restore", steps__name="fill", steps__finished_at=None, steps__started_at__isnull=False
    ).exists()


class Died(BaseException):
    """The worker is gone: no handler of its own runs."""


@pytest.mark.parametrize("moment", [Moment.WITHIN, Moment.DONE])
def test_it_comes_to_its_end_wherever_workers_die(
    book: Instance,
    backup: Backup,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
    moment: Moment,
) -> None:
    """One dies in every step from the filling on, and each step is done by another."""
    deadly = {"fill", "check-data", "start", "switch"}

    def reached(kind: str, step: str, at: Moment) -> None:
        if (kind, at) == ("restore", moment) and step in deadly:
            deadly.remove(step)
            raise Died

    monkeypatch.setattr(flow_base, "reached", reached)
    until = Journal.objects.get(ended_at=None).archived_until
    assert until is not None
    made = restores.request_to(instance=book, at=until, actor=actor)
    deaths = 0
    while Operation.objects.get(pk=made.operation_id).state in ("queued", "running"):
        try:
            work_off(book)
        except Died:
            deaths += 1
            Operation.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    operation = Operation.objects.get(pk=made.operation_id)
    assert (operation.state, operation.reason, deaths) == ("succeeded", "", 4)
    book.refresh_from_db()
    assert book.generation == 2
    assert files(memory_engine, book, "postgres")["./pgdata/base/1"][-1] == b"rows"
    assert files(memory_engine, book, "data")["./file"][-1] == b"of then"


def test_an_ordinary_restore_reads_no_base(
    book: Instance, backup: Backup, server: Server, work_off: WorkOff, actor: Actor
) -> None:
    restores.request(instance=book, backup=backup, actor=actor)
    operation = work_off(book)
    assert operation.state == Operation.State.SUCCEEDED
    assert "base/" not in operation.steps.get(name="read").output
    assert not any("pg_is_in_recovery" in each for each in server.said)


def test_bases_and_chapters_go_when_their_time_has_passed(
    book: Instance,
    backup: Backup,
    server: Server,
    backup_target: Path,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    JournalChapter.objects.update(is_closed=True)
    server.write(6)
    fetch()
    JournalBase.objects.update(ended_at=timezone.now() - timedelta(days=20))
    server.at = timezone.now() - timedelta(days=8)
    server.base = BASE.replace(segment(2).encode(), segment(6).encode())
    second = saved(book, work_off, actor)
    assert [each.backup for each in JournalBase.objects.all()] == [second]
    backup.refresh_from_db()
    assert not any(each["path"].startswith("base/") for each in backup.stored)
    assert [each.name[-10:] for each in sorted(backup_target.glob("*/*.journal-*"))] == [
        ".journal-2"
    ]
    assert not Incident.objects.filter(closed_at=None).exists()
