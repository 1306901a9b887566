"""Saving, proving, copying and letting go: a real restic, and an engine that runs nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from hosting.engines.errors import CommandFailed, TryLater
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ContainerState, RunResult
from hosting.flows.saving import repositories, snapshots, upkeep
from hosting.models import Backup, BackupStore, Incident, Instance, Operation
from hosting.services import instances
from hosting.services.saving import backups
from tenants.services.actors import Actor

pytestmark = pytest.mark.django_db(transaction=True)

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
DUMP = b"PGDMP of entries" * 100


class Programs:
    """What the programs in the containers say."""

    dump: bytes | Exception = DUMP
    entries: Iterator[int] | None = None

    def read(self, instance: str, service: str, command: tuple[str, ...]) -> Iterator[bytes]:
        if isinstance(self.dump, Exception):
            yield b"half of it"
            raise self.dump
        yield self.dump if command[0] == "pg_dump" else b"REDIS0011"

    def run(self, instance: str, service: str, command: tuple[str, ...]) -> RunResult:
        count = next(self.entries) if self.entries else 7
        return RunResult(0, f"{count}\n")


@pytest.fixture
def programs(memory_engine: MemoryEngine) -> Programs:
    programs = Programs()
    memory_engine._read_command = programs.read
    memory_engine._run_command = programs.run
    return programs


@pytest.fixture
def book(order: Order, programs: Programs, backup_target: Path, work_off: WorkOff) -> Instance:
    """An instance that runs, and a place for its backups."""
    instance = order("book")
    assert work_off(instance).state == Operation.State.SUCCEEDED
    return instance


@pytest.fixture
def back_up(work_off: WorkOff, actor: Actor) -> Callable[[Instance], Backup]:
    """Make a backup here and now, whatever becomes of it."""

    def make(instance: Instance) -> Backup:
        backup = backups.request(instance=instance, actor=actor)
        work_off(instance)
        return Backup.objects.select_related("operation").get(pk=backup.pk)

    return make


BackUp = Callable[[Instance], Backup]


def stored(instance: Instance) -> list[str]:
    return sorted(each.path for each in repositories.primary(instance).snapshots())


def read(instance: Instance, backup: Backup, path: str) -> bytes:
    (written,) = (each for each in snapshots.written_of(backup) if each.path == path)
    return b"".join(repositories.primary(instance).read(written.snapshot, path))


def reason(backup: Backup) -> str:
    assert backup.operation is not None
    return backup.operation.reason


def damage(target: Path) -> None:
    """Another byte in the middle of each file of data."""
    for file in target.glob("*/*/data/*/*"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.chmod(0o600)
        file.write_bytes(content)


def test_it_saves_what_is_declared_and_the_manifest_last(
    book: Instance, back_up: BackUp, programs: Programs
) -> None:
    programs.entries = iter((7, 9))
    backup = back_up(book)
    assert backup.is_good
    paths = ["manifest.json", "postgres/db/guestbook.dump", "secrets.json", "volumes/data.tar"]
    assert stored(book) == paths
    assert snapshots.written_of(backup)[-1].path == "manifest.json"
    assert read(book, backup, "postgres/db/guestbook.dump") == DUMP
    manifest = json.loads(read(book, backup, "manifest.json"))
    assert manifest == backup.manifest
    assert manifest["checks"] == {"entries": ["7", "9"]}
    assert (manifest["format"], manifest["app"], manifest["version"]) == (1, "guestbook", "2")
    book.refresh_from_db()
    assert (book.state, book.first_running_at is not None) == (Instance.State.RUNNING, True)


def test_the_apps_keys_are_saved_and_shown_nowhere(book: Instance, back_up: BackUp) -> None:
    backup = back_up(book)
    key = book.secrets.get(name="secret_key").reveal()
    assert json.loads(backup.secrets) == {"secret_key": key}
    assert json.loads(read(book, backup, "secrets.json")) == {"secret_key": key}
    assert key not in json.dumps(backup.manifest)
    assert all(key not in step.output for step in backup.operation.steps.all())  # type: ignore[union-attr]


def test_one_that_is_stopped_is_saved_as_its_files_lie(
    book: Instance, back_up: BackUp, work_off: WorkOff, actor: Actor
) -> None:
    instances.stop(instance=book, actor=actor)
    work_off(book)
    backup = back_up(book)
    assert backup.is_good
    assert backup.manifest["at_rest"]
    assert {each["name"] for each in backup.manifest["parts"]} == {"data", "postgres", "redis"}
    book.refresh_from_db()
    assert book.state == Instance.State.STOPPED


def test_a_dump_that_breaks_off_leaves_nothing(
    book: Instance, back_up: BackUp, programs: Programs
) -> None:
    programs.dump = CommandFailed("db", "pg_dump", 1, "no such database")
    backup = back_up(book)
    assert (backup.is_good, "no such database" in reason(backup)) == (False, True)
    assert stored(book) == []
    book.refresh_from_db()
    assert book.state == Instance.State.RUNNING  # it goes on as it was


def test_a_place_that_is_nearly_full_is_refused_before_anything_is_written(
    book: Instance, back_up: BackUp, settings: Settings
) -> None:
    settings.BERTH_DISK_RESERVE_GB = 10**6
    backup = back_up(book)
    assert not backup.is_good
    assert "GB of disk free, and 1000000 GB are kept back; make room there" in reason(backup)
    settings.BERTH_DISK_RESERVE_GB = 0
    assert back_up(book).is_good
    assert len(stored(book)) == 4  # of the second one alone


def test_another_attempt_begins_anew(
    book: Instance, back_up: BackUp, programs: Programs, work_off: WorkOff
) -> None:
    programs.dump = TryLater("the connection broke off")
    backup = back_up(book)
    assert backup.operation is not None
    assert backup.operation.state == Operation.State.QUEUED
    programs.dump = b"the second time"
    Operation.objects.filter(pk=backup.operation.pk).update(run_after=timezone.now())
    assert work_off(book).state == Operation.State.SUCCEEDED
    backup.refresh_from_db()
    assert read(book, backup, "postgres/db/guestbook.dump") == b"the second time"
    assert len(stored(book)) == 4


def test_a_worker_that_comes_back_late_forgets_nothing_of_its_successors(
    book: Instance, back_up: BackUp
) -> None:
    backup = back_up(book)
    assert backup.operation is not None
    store, fence = repositories.primary(book), backup.operation.fence
    there = stored(book)
    for late in range(fence + 1):
        snapshots.forget_earlier(store, backup, fence=late)
    assert stored(book) == there
    snapshots.forget_earlier(store, backup, fence=fence + 1)
    assert stored(book) == []


@pytest.mark.parametrize("fails", [False, True])
def test_what_was_paused_runs_again_whatever_happens(
    book: Instance,
    back_up: BackUp,
    programs: Programs,
    memory_engine: MemoryEngine,
    fails: bool,
) -> None:
    book.definition["berth"]["backup"]["pause"] = ["web"]
    book.save()
    seen: list[str] = []

    def look(instance: str, service: str, command: tuple[str, ...]) -> Iterator[bytes]:
        web = memory_engine.observe(instance).service("web")
        assert web is not None
        seen.append(web.state)
        yield b"dump"
        if fails:
            raise CommandFailed("db", "pg_dump", 1, "no")

    memory_engine._read_command = look
    assert back_up(book).is_good is not fails
    assert seen == [ContainerState.PAUSED]
    web = memory_engine.observe(str(book.pk)).service("web")
    assert web is not None
    assert web.state == ContainerState.RUNNING


def test_what_was_damaged_in_the_store_is_found_when_it_is_proven(
    book: Instance, back_up: BackUp, backup_target: Path
) -> None:
    first = back_up(book)
    assert first.is_good
    damage(backup_target)
    second = back_up(book)
    assert not second.is_good
    incident = Incident.objects.get(kind=Incident.Kind.BACKUP_DAMAGED)
    assert (incident.instance, incident.is_open) == (book, True)


@pytest.mark.parametrize("loss", ["repository", "password"])
def test_a_store_that_is_lost_is_not_made_anew(
    book: Instance, back_up: BackUp, backup_target: Path, loss: str
) -> None:
    back_up(book)
    if loss == "repository":
        (repository,) = backup_target.glob("*/*")
        repository.rename(backup_target / "lost")
    else:
        store = BackupStore.objects.get()
        store.password = "another-one"
        with transaction.atomic():
            store.save()
    backup = back_up(book)
    assert not backup.is_good
    assert Incident.objects.get().kind == Incident.Kind.BACKUP_DAMAGED
    assert loss == "password" or not list(backup_target.glob("*/*/config"))


def test_a_place_that_is_away_is_waited_for(
    book: Instance, back_up: BackUp, backup_target: Path, settings: Settings, work_off: WorkOff
) -> None:
    settings.BERTH_BACKUP_TARGET = str(backup_target / "not-mounted")
    backup = back_up(book)
    assert "is its disk mounted?" in reason(backup)
    assert not Incident.objects.exists()
    settings.BERTH_BACKUP_TARGET = str(backup_target)
    book.operations.update(run_after=timezone.now())
    assert work_off(book).state == Operation.State.SUCCEEDED


def test_the_second_place_has_it_too(
    book: Instance, back_up: BackUp, settings: Settings, tmp_path: Path
) -> None:
    settings.BERTH_BACKUP_COPY = str(tmp_path / "off-site")
    (tmp_path / "off-site").mkdir()
    backup = back_up(book)
    assert backup.copied_at is not None
    second = repositories.copy(book)
    assert second is not None
    paths = {each.path: each.id for each in second.snapshots(tags=[snapshots.tag(backup)])}
    assert sorted(paths) == stored(book)
    dump = b"".join(second.read(paths["postgres/db/guestbook.dump"], "postgres/db/guestbook.dump"))
    assert dump == DUMP


def test_old_ones_are_let_go_everywhere_and_the_space_is_given_back(
    book: Instance, back_up: BackUp, settings: Settings, tmp_path: Path, programs: Programs
) -> None:
    settings.BERTH_BACKUP_COPY = str(tmp_path / "off-site")
    (tmp_path / "off-site").mkdir()
    book.plan.keep_daily, book.plan.keep_weekly, book.plan.keep_monthly = 1, 0, 0
    book.plan.save()
    old = back_up(book)
    Backup.objects.filter(pk=old.pk).update(taken_at=timezone.now() - timedelta(days=2))
    new = back_up(book)
    old.refresh_from_db()
    assert new.operation is not None
    assert (old.is_good, old.secrets, new.is_good) == (False, "", True)
    for store in repositories.ever(book):
        tags = frozenset({snapshots.tag(new), f"fence:{new.operation.fence}"})
        assert {each.tags for each in store.snapshots()} == {tags}
    assert read(book, new, "postgres/db/guestbook.dump") == DUMP


def test_pruning_takes_its_turn_and_leaves_what_is_kept(
    book: Instance, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = back_up(book)
    store = BackupStore.objects.get()
    monkeypatch.setattr("hosting.services.saving.backup_stores.PRUNE_HOURS", range(24))
    upkeep.prune()
    store.refresh_from_db()
    assert store.prune_at > timezone.now() + timedelta(days=6)
    assert read(book, backup, "postgres/db/guestbook.dump") == DUMP


def test_a_damaged_store_is_told_when_it_is_pruned(
    book: Instance, back_up: BackUp, monkeypatch: pytest.MonkeyPatch, backup_target: Path
) -> None:
    back_up(book)
    monkeypatch.setattr("hosting.services.saving.backup_stores.PRUNE_HOURS", range(24))
    (config,) = backup_target.glob("*/*/config")
    config.unlink()
    upkeep.prune()
    assert Incident.objects.get().kind == Incident.Kind.BACKUP_DAMAGED
    assert BackupStore.objects.get().prune_at < timezone.now() + timedelta(days=2)


def test_the_backups_of_a_deleted_instance_stay_for_a_while(
    book: Instance, back_up: BackUp, work_off: WorkOff, actor: Actor, backup_target: Path
) -> None:
    backup = back_up(book)
    instances.delete(instance=book, confirmation="book", actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    upkeep.destroy()
    assert read(book, backup, "postgres/db/guestbook.dump") == DUMP
    Instance.objects.update(deleted_at=timezone.now() - timedelta(days=31))
    upkeep.destroy()
    assert not list(backup_target.glob("*/*/config"))
    assert BackupStore.objects.get().destroyed_at is not None
