"""Putting backups back on a pretended server, from a real repository."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from hosting.engines import probe
from hosting.engines.errors import GiveUp, TryLater
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ContainerState, RunResult
from hosting.engines.restic import Damaged
from hosting.flows import stacks
from hosting.flows.base import Work
from hosting.flows.restoring import filling, fitting
from hosting.flows.working import runner
from hosting.models import Backup, BackupStore, Incident, Instance, Operation, Restore, Server
from hosting.services import instances, moves
from hosting.services.saving import backups, restores
from tenants.services.actors import Actor
from tests.hosting.engines import tars

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
Ask = Callable[[], Restore]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("answering")]
AS_BEFORE = "Everything is as it was before."


@pytest.fixture
def book(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff, backup_target: Path
) -> Instance:
    """An instance with a file in its volume."""
    instance = order("book")
    work_off(instance)
    memory_engine._read_command = lambda *_: [b"a dump"]
    memory_engine._run_command = lambda *_: RunResult(0, "7\n")
    _put(memory_engine, instance, "as it was then")
    return instance


@pytest.fixture
def backup(book: Instance, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor) -> Backup:
    """Of that; by now the file is another."""
    made = backups.request(instance=book, actor=actor)
    operation = work_off(book)
    assert operation.state == Operation.State.SUCCEEDED, operation.reason
    made.refresh_from_db()
    _put(memory_engine, book, "as it is now")
    return made


def _put(engine: MemoryEngine, instance: Instance, content: str) -> None:
    name = f"{instance.project}-data"
    engine._world.files[name] = tars.tar(tars.folder("./"), tars.file("./file", content.encode()))


def _file(engine: MemoryEngine, instance: Instance) -> str:
    """The file that the instance sees."""
    stack = stacks.build(instance)
    [mount] = stack.service("web").mounts
    with tarfile.open(fileobj=io.BytesIO(b"".join(engine.read_volume(stack, mount.volume)))) as tar:
        found = tar.extractfile("./file")
        assert found is not None
        return found.read().decode()


def _volumes(engine: MemoryEngine, instance: Instance) -> set[str]:
    there = engine.observe(str(instance.pk)).volumes
    return {each.removeprefix(f"{instance.project}-") for each in there}


def _make_due(operation: Operation) -> None:
    Operation.objects.filter(pk=operation.pk).update(run_after=timezone.now())
    Server.objects.exclude(retry_at=None).update(retry_at=timezone.now())


def _raise(error: Exception, *, at: str) -> Callable[[str], None]:
    def change(line: str) -> None:
        if line == at:
            raise error

    return change


OLD = {"data", "postgres", "redis"}
NEW = {f"{each}-g2" for each in OLD}


def test_it_puts_a_backup_back_and_goes_back_and_lets_go(
    book: Instance, backup: Backup, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    key = book.secrets.get(name="secret_key").reveal()
    book.secrets.filter(name="secret_key").delete()
    made = restores.request(instance=book, backup=backup, actor=actor)
    operation = work_off(book)
    assert (operation.state, operation.reason) == ("succeeded", "")
    assert book.secrets.get(name="secret_key").reveal() == key
    assert (_file(memory_engine, book), book.generation) == ("as it was then", 2)
    assert _volumes(memory_engine, book) == OLD | NEW
    made.refresh_from_db()
    assert made.safety is not None
    assert (made.safety.trigger, made.safety.is_good) == (Backup.Trigger.SAFETY, True)
    assert made.checks == {"entries": {"wanted": ["7", "7"], "said": "7", "fits": True}}
    moves.revert(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    assert (_file(memory_engine, book), book.generation) == ("as it is now", 1)
    Restore.objects.update(kept_until=timezone.now())
    backups.request(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    assert _volumes(memory_engine, book) == OLD


def test_it_takes_back_what_breaks_off(
    book: Instance, backup: Backup, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    restores.request(instance=book, backup=backup, actor=actor)
    broken = [GiveUp("the server refused")]

    def break_once(said: str) -> None:
        if said == "starting web" and broken:
            raise broken.pop()

    memory_engine.faults.before_change = break_once
    operation = work_off(book)
    assert (operation.state, operation.reason) == ("failed", f"the server refused. {AS_BEFORE}")
    assert (book.state, book.generation) == (Instance.State.RUNNING, 1)
    assert _file(memory_engine, book) == "as it is now"
    assert _volumes(memory_engine, book) == OLD
    seen = memory_engine.observe(str(book.pk)).services
    assert {each.state for each in seen} == {ContainerState.RUNNING}


def test_pages_that_do_not_open_take_it_back(
    book: Instance,
    backup: Backup,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "http", lambda *_, **__: probe.Probe(500))
    monkeypatch.setattr(Work, "wait_until", _once)
    restores.request(instance=book, backup=backup, actor=actor)
    operation = work_off(book)
    assert operation.reason == f"/ does not answer yet. {AS_BEFORE}"
    assert (book.state, book.generation) == (Instance.State.RUNNING, 1)
    assert _file(memory_engine, book) == "as it is now"


def _once(_work: Work, condition: Callable[[], bool], *, why: str) -> None:
    if not condition():
        raise GiveUp(why)


@pytest.mark.parametrize(("code", "said"), [(0, "has statistics"), (1, "has no statistics yet")])
def test_the_planner_gets_its_statistics(
    book: Instance,
    backup: Backup,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    code: int,
    said: str,
) -> None:
    def answer(_instance: str, _service: str, command: tuple[str, ...]) -> RunResult:
        return RunResult(code, "busy\n") if command[-1] == "ANALYZE" else RunResult(0, "7\n")

    memory_engine._run_command = answer
    restores.request(instance=book, backup=backup, actor=actor)
    operation = work_off(book)
    assert (operation.state, operation.reason) == ("succeeded", "")
    assert f"the database guestbook {said}" in operation.steps.get(name="fill").output


def test_it_fills_anew_what_was_half_filled(
    book: Instance, backup: Backup, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    restores.request(instance=book, backup=backup, actor=actor)
    broken = [TryLater("not now")]

    def break_once(said: str) -> None:
        if said == "starting web" and broken:
            Operation.objects.get(pk=operation_id).steps.filter(name="fill").update(state="failed")
            raise broken.pop()

    operation_id = book.operations.latest("requested_at").pk
    memory_engine.faults.before_change = break_once
    operation = work_off(book)
    assert operation.state == Operation.State.QUEUED
    _make_due(operation)
    assert work_off(book).state == Operation.State.SUCCEEDED
    assert _file(memory_engine, book) == "as it was then"


def test_an_app_that_does_not_come_back_either_is_degraded_with_its_old_data(
    book: Instance, backup: Backup, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    restores.request(instance=book, backup=backup, actor=actor)
    memory_engine.faults.before_change = _raise(GiveUp("web is broken"), at="starting web")
    operation = work_off(book)
    assert operation.state == Operation.State.FAILED
    assert operation.reason == (
        "web is broken. Its data is as it was before, but the app did not come up with it:"
        " web is broken"
    )
    assert (book.state, book.generation) == (Instance.State.DEGRADED, 1)
    assert Incident.objects.filter(instance=book, closed_at=None).exists()


def test_a_way_back_that_fails_leaves_the_restored_data(
    book: Instance, backup: Backup, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    made = restores.request(instance=book, backup=backup, actor=actor)
    work_off(book)
    moves.revert(instance=book, actor=actor)
    broken = [GiveUp("the server refused")]

    def break_once(said: str) -> None:
        if said == "starting web" and broken:
            raise broken.pop()

    memory_engine.faults.before_change = break_once
    operation = work_off(book)
    assert (operation.state, operation.reason) == ("failed", f"the server refused. {AS_BEFORE}")
    assert (_file(memory_engine, book), book.generation) == ("as it was then", 2)
    assert _volumes(memory_engine, book) == OLD | NEW
    made.refresh_from_db()
    assert made.undone_at is None
    moves.revert(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    assert _file(memory_engine, book) == "as it is now"


def test_a_stopped_instance_is_stopped_afterwards_however_it_ends(
    book: Instance, backup: Backup, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    instances.stop(instance=book, actor=actor)
    work_off(book)
    restores.request(instance=book, backup=backup, actor=actor)
    memory_engine.faults.before_change = _raise(GiveUp("web is broken"), at="starting web")
    operation = work_off(book)
    assert (operation.state, operation.reason) == ("failed", f"web is broken. {AS_BEFORE}")
    assert (book.state, book.generation) == (Instance.State.STOPPED, 1)
    assert _volumes(memory_engine, book) == OLD
    memory_engine.faults.before_change = lambda line: None
    restores.request(instance=book, backup=backup, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    assert (book.state, book.generation) == (Instance.State.STOPPED, 3)
    seen = memory_engine.observe(str(book.pk)).services
    assert not any(each.state is ContainerState.RUNNING for each in seen)
    assert _file(memory_engine, book) == "as it was then"


def test_what_does_not_fit_is_refused_before_anything_is_touched(
    book: Instance,
    backup: Backup,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    settings: Settings,
    backup_target: Path,
) -> None:
    def refused(sentence: str) -> None:
        before = memory_engine.observe(str(book.pk))
        restores.request(instance=book, backup=backup, actor=actor)
        operation = work_off(book)
        assert operation.state == Operation.State.FAILED
        assert sentence in operation.reason
        assert memory_engine.observe(str(book.pk)) == before
        assert (book.state, operation.undoing) == (Instance.State.RUNNING, "")

    memory_engine.faults.disk_free_bytes = backup.size_bytes
    refused("GB of disk free; the restored data needs up to")
    memory_engine.faults.disk_free_bytes = None

    stored = backup.stored
    backup.stored = [{**stored[0], "size": stored[0]["size"] + 1}, *stored[1:]]
    backup.save(update_fields=["stored"])
    refused("postgres/db/guestbook.dump")
    assert Incident.objects.filter(kind=Incident.Kind.BACKUP_DAMAGED, closed_at=None).exists()
    backup.stored = [*stored, {**stored[0], "snapshot": "0123abcd"}]
    backup.save(update_fields=["stored"])
    refused("is not in its store any more")
    backup.stored = stored
    backup.save(update_fields=["stored"])

    with transaction.atomic():
        secret = book.secrets.get(name="secret_key")
        value = secret.reveal()
        secret.value = "another"
        secret.save()
    refused("the key secret_key of book is not the one that this backup was made with")
    with transaction.atomic():
        secret.value = value
        secret.save()
        store = BackupStore.objects.get()
        password, store.password = str(store.password), "another"
        store.save()
    refused("has another password")
    with transaction.atomic():
        store.password = password
        store.save()

    (backup_target / "gone").mkdir()
    settings.BERTH_BACKUP_TARGET = str(backup_target / "gone")
    refused("does not exist")


def test_every_flow_that_can_be_undone_names_a_step_of_its_own() -> None:
    for flow in runner.FLOWS.values():
        names = [each.name for each in (*flow.steps, *flow.undo)]
        assert len(set(names)) == len(names)
        assert bool(flow.undo) == bool(flow.undo_from)
        assert not flow.undo or flow.undo_from in {each.name for each in flow.steps}


@pytest.mark.parametrize(
    ("said", "answers", "fit"),
    [
        ("5", ["5", "5"], True),
        ("6", ["5", "7"], True),
        ("6", ["7", "5"], True),  # rows were deleted meanwhile
        ("8", ["5", "7"], False),
        ("-1", ["-2", "0"], True),
        ("10", ["9", "11"], True),  # as numbers, not as words
    ],
)
def test_answers_fit_from_before_to_after(said: str, answers: list[str], fit: bool) -> None:
    assert fitting.fits(said, answers) is fit


def test_the_keys_of_redis_are_a_whole_tar_of_its_directory() -> None:
    made = b"".join(filling.redis_files([b"REDIS", b"0011 keys"], size=14, owner=(999, 998)))
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        assert {each.name: (each.uid, each.gid) for each in tar}.keys() == {
            ".",
            "./dump.rdb",
            "./appendonlydir",
            "./appendonlydir/appendonly.aof.1.base.rdb",
            "./appendonlydir/appendonly.aof.manifest",
        }
        assert {(each.uid, each.gid) for each in tar} == {(999, 998)}
        for name in ("./dump.rdb", "./appendonlydir/appendonly.aof.1.base.rdb"):
            found = tar.extractfile(name)
            assert found is not None
            assert found.read() == b"REDIS0011 keys"
    for size in (13, 15):
        with pytest.raises(Damaged):
            b"".join(filling.redis_files([b"REDIS0011 keys"], size=size, owner=(0, 0)))


def test_databases_run_alone_with_what_they_wait_for(order: Order, memory_server: Server) -> None:
    stack = stacks.build(order("book"))
    assert [each.name for each in filling.only(stack, ["db"]).services] == ["db"]
    assert filling.only(stack, ["web"]).services == stack.services
    assert filling.only(stack, ["db"]).service("db").spec_hash() == stack.service("db").spec_hash()
