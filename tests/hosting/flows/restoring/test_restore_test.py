"""Backups that are brought back on a pretended server, from a real repository, for a test."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from hosting.engines import probe
from hosting.engines.errors import GiveUp, TryLater
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import RunResult
from hosting.flows import stacks
from hosting.flows.watching import reconcile
from hosting.flows.working import runner
from hosting.models import (
    Backup,
    Drift,
    Hostname,
    Incident,
    Instance,
    Operation,
    RestoreTest,
    Server,
    Stray,
    Subnet,
)
from hosting.services import instances
from hosting.services.saving import backups, restore_tests
from hosting.services.working import leases, operations
from tenants.services.actors import Actor
from tests.hosting.engines import tars

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
Visit = Callable[[str], object]
pytestmark = pytest.mark.django_db(transaction=True)
FAILED = Incident.Kind.RESTORE_TEST_FAILED
REMOVED = "What was made for the test is removed."


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[Visit]:
    """Called when a page is opened, which a pretended app does not have; all is well with it."""
    wanted: list[Visit] = []

    def answer(url: str, *, host: str) -> probe.Probe:
        for visit in wanted:
            visit(host)
        return probe.Probe(200)

    monkeypatch.setattr(probe, "http", answer)
    return wanted


@pytest.fixture
def book(
    order: Order,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    backup_target: Path,
    visits: list[Visit],
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


@pytest.fixture
def test(backup: Backup) -> RestoreTest:
    """One that was asked for."""
    made = restore_tests.request(instance=backup.instance)
    assert made is not None
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


def _is_gone(engine: MemoryEngine, test: RestoreTest) -> bool:
    """Whether nothing is left of it, neither on the server nor of what it held in Berth."""
    scratch = Instance.objects.get(pk=test.scratch_id)
    held = Subnet.objects.filter(instance=scratch).exists() or scratch.secrets.exists()
    is_deleted = scratch.state == Instance.State.DELETED and scratch.deleted_at is not None
    return engine.observe(str(scratch.pk)).is_gone and is_deleted and not held


def _make_due(operation: Operation) -> None:
    Operation.objects.filter(pk=operation.pk).update(run_after=timezone.now())
    Server.objects.exclude(retry_at=None).update(retry_at=timezone.now())


@contextmanager
def failing(engine: MemoryEngine, error: Exception, *, at: str) -> Iterator[None]:
    """Each change that begins with those words fails like that."""

    def change(line: str) -> None:
        if line.startswith(at):
            raise error

    engine.faults.before_change = change
    yield
    engine.faults.before_change = lambda line: None


def test_what_was_brought_back_passes_and_leaves_nothing(
    test: RestoreTest,
    book: Instance,
    memory_engine: MemoryEngine,
    visits: list[Visit],
    work_off: WorkOff,
    settings: Settings,
) -> None:
    seen = memory_engine.observe(str(book.pk))
    found: list[str] = []
    visits.append(lambda host: found.append(f"{host}: {_file(memory_engine, test.scratch)}"))
    operation = work_off(test.scratch)
    assert (operation.state, operation.reason) == ("succeeded", "")
    assert found == [f"book.acme.{settings.BERTH_DOMAIN}: as it was then"]
    test.refresh_from_db()
    assert (test.passed, test.reason) == (True, "")
    assert test.checks == {"entries": {"wanted": ["7", "7"], "said": "7", "fits": True}}
    assert operation.started_at is not None
    assert test.ended_at is not None
    assert test.seconds == (test.ended_at - operation.started_at).total_seconds()
    assert _is_gone(memory_engine, test)
    assert memory_engine.observe(str(book.pk)) == seen
    assert _file(memory_engine, book) == "as it is now"
    assert not Incident.objects.exists()


def test_nothing_gets_out_of_it_and_nobody_in(
    test: RestoreTest, memory_engine: MemoryEngine, visits: list[Visit], work_off: WorkOff
) -> None:
    internal: list[bool] = []

    def look(host: str) -> None:
        networks = memory_engine._world.networks.of(str(test.scratch_id)).values()
        internal.extend(bool(each.network and each.network.internal) for each in networks)
        scratch = Instance.objects.get(pk=test.scratch_id)
        assert (scratch.is_routed, scratch.web_address) == (False, None)
        assert not Hostname.objects.filter(instance=scratch).exists()

    visits.append(look)
    assert work_off(test.scratch).state == Operation.State.SUCCEEDED
    assert internal == [True, True]
    # An instance of the client's has a way out, or that would say nothing.
    assert [each.internal for each in stacks.build(test.backup.instance).networks] == [False, True]


def test_the_reconciler_leaves_it_alone(
    test: RestoreTest,
    memory_server: Server,
    memory_engine: MemoryEngine,
    visits: list[Visit],
    work_off: WorkOff,
) -> None:
    visits.append(lambda host: reconcile.whole(memory_server))
    assert work_off(test.scratch).state == Operation.State.SUCCEEDED
    reconcile.whole(memory_server)
    assert not Stray.objects.exists()
    assert not Drift.objects.exists()
    assert not Operation.objects.filter(kind=Operation.Kind.REPAIR).exists()
    assert _is_gone(memory_engine, test)


def test_data_that_does_not_fit_is_an_incident_and_is_removed(
    test: RestoreTest, book: Instance, memory_engine: MemoryEngine, work_off: WorkOff
) -> None:
    memory_engine._run_command = lambda *_: RunResult(0, "6\n")
    operation = work_off(test.scratch)
    assert operation.state == Operation.State.FAILED
    said = "the restored data does not fit the backup: “entries” is 6, and was 7"
    assert operation.reason == f"{said}. {REMOVED}"
    test.refresh_from_db()
    assert (test.passed, test.seconds, test.reason) == (False, None, said)
    assert test.checks["entries"]["fits"] is False
    assert said in Incident.objects.get(kind=FAILED, instance=book, closed_at=None).summary
    assert _is_gone(memory_engine, test)


@pytest.mark.parametrize("at", ["creating the network", "starting db", "starting web"])
def test_an_app_that_does_not_come_up_is_an_incident_and_is_removed(
    test: RestoreTest, book: Instance, memory_engine: MemoryEngine, work_off: WorkOff, at: str
) -> None:
    with failing(memory_engine, GiveUp("the server refused"), at=at):
        operation = work_off(test.scratch)
    assert (operation.state, operation.reason) == ("failed", f"the server refused. {REMOVED}")
    test.refresh_from_db()
    assert (test.passed, test.reason) == (False, "the server refused")
    assert Incident.objects.filter(kind=FAILED, instance=book, closed_at=None).exists()
    assert _is_gone(memory_engine, test)
    again = restore_tests.request(instance=book)
    assert again is not None
    assert work_off(again.scratch).state == Operation.State.SUCCEEDED
    assert not Incident.objects.filter(closed_at=None).exists()


def test_a_damaged_store_is_an_incident_of_the_instance_that_was_saved(
    test: RestoreTest, backup: Backup, memory_engine: MemoryEngine, work_off: WorkOff
) -> None:
    backup.manifest["parts"][0]["written"]["sha256"] = "0" * 64
    backup.save(update_fields=["manifest"])
    operation = work_off(test.scratch)
    assert operation.state == Operation.State.FAILED
    open_ones = Incident.objects.filter(closed_at=None)
    assert {(each.kind, each.instance) for each in open_ones} == {
        (Incident.Kind.BACKUP_DAMAGED, backup.instance),
        (FAILED, backup.instance),
    }
    assert _is_gone(memory_engine, test)


def test_one_called_off_before_it_began_gives_everything_back(
    test: RestoreTest, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    operations.cancel(operation_id=test.scratch.operations.get().pk, actor=actor)
    operation = work_off(test.scratch)
    assert operation.state == Operation.State.CANCELLED
    assert operation.reason == f"“Restore test” was called off. {REMOVED}"
    test.refresh_from_db()
    assert (test.passed, test.reason) == (False, "“Restore test” was called off.")
    assert _is_gone(memory_engine, test)
    assert not Incident.objects.exists()
    later = timezone.now() + restore_tests.RETRY_AFTER
    assert restore_tests.request_due(now=later) == 1, "its place is free again"


def test_one_called_off_amid_it_is_removed_and_no_incident(
    test: RestoreTest,
    memory_engine: MemoryEngine,
    visits: list[Visit],
    work_off: WorkOff,
    actor: Actor,
) -> None:
    operation_id = test.scratch.operations.get().pk
    visits.append(lambda host: operations.cancel(operation_id=operation_id, actor=actor))
    operation = work_off(test.scratch)
    assert operation.state == Operation.State.CANCELLED
    test.refresh_from_db()
    assert (test.passed, test.seconds) == (False, None)
    assert not Incident.objects.exists()
    assert _is_gone(memory_engine, test)


@pytest.mark.parametrize(
    "at", ["creating the network", "starting db", "removing", "starting web", "opening"]
)
def test_another_worker_goes_on_where_one_died(
    test: RestoreTest,
    memory_engine: MemoryEngine,
    visits: list[Visit],
    work_off: WorkOff,
    at: str,
) -> None:
    def die(host: str) -> None:
        if at == "opening":
            raise leases.LeaseLost("dead")

    visits.append(die)
    with failing(memory_engine, leases.LeaseLost("dead"), at=at):  # says nothing more
        operation = work_off(test.scratch)
    assert operation.state == Operation.State.RUNNING
    visits.clear()
    Operation.objects.update(lease_expires_at=timezone.now())
    operation = work_off(test.scratch)
    assert (operation.state, operation.reason) == ("succeeded", "")
    test.refresh_from_db()
    assert test.passed is True
    assert test.ended_at is not None
    assert operation.started_at is not None
    assert test.seconds == (test.ended_at - operation.started_at).total_seconds()
    assert _is_gone(memory_engine, test)


def test_the_measured_time_is_of_all_attempts(
    test: RestoreTest, memory_engine: MemoryEngine, work_off: WorkOff
) -> None:
    with failing(memory_engine, TryLater("not now"), at="starting web"):
        operation = work_off(test.scratch)
    assert operation.state == Operation.State.QUEUED
    Operation.objects.update(started_at=timezone.now() - timedelta(hours=2))
    _make_due(operation)
    assert work_off(test.scratch).state == Operation.State.SUCCEEDED
    test.refresh_from_db()
    assert test.seconds is not None
    assert test.seconds > 7200


def test_what_can_not_be_removed_is_tried_for_as_long_as_it_takes(
    test: RestoreTest, memory_engine: MemoryEngine, visits: list[Visit], work_off: WorkOff
) -> None:
    def refuse(line: str) -> None:
        if line.startswith("removing the volume"):
            raise TryLater("the volume is busy")

    visits.append(lambda host: setattr(memory_engine.faults, "before_change", refuse))
    for _ in range(runner.MAX_ATTEMPTS + 2):
        operation = work_off(test.scratch)
        assert operation.state == Operation.State.QUEUED
        _make_due(operation)
    test.refresh_from_db()
    assert test.passed is True, "the backup could be brought back all the same"
    assert not Incident.objects.exists()
    assert not _is_gone(memory_engine, test)
    scratch = Instance.objects.get(pk=test.scratch_id)
    assert scratch.state == Instance.State.NEW, "its room is not given to another"
    memory_engine.faults.before_change = lambda line: None
    assert work_off(test.scratch).state == Operation.State.FAILED
    assert _is_gone(memory_engine, test)


def test_a_server_that_falls_silent_on_the_way_back_is_waited_for(
    test: RestoreTest, memory_engine: MemoryEngine, work_off: WorkOff
) -> None:
    def change(line: str) -> None:
        if line.startswith("starting web"):
            memory_engine.faults.before_change = fall_silent
            raise GiveUp("web is broken")

    def fall_silent(line: str) -> None:
        memory_engine.faults.is_unavailable = True

    memory_engine.faults.before_change = change
    operation = work_off(test.scratch)
    assert (operation.state, operation.undoing) == ("queued", "web is broken")
    _make_due(operation)
    memory_engine.faults.before_change = lambda line: None
    memory_engine.faults.is_unavailable = False
    assert work_off(test.scratch).state == Operation.State.FAILED
    test.refresh_from_db()
    assert (test.passed, test.reason) == (False, "web is broken")
    assert _is_gone(memory_engine, test)


def test_an_instance_that_is_deleted_meanwhile_leaves_no_incident(
    test: RestoreTest, book: Instance, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    instances.delete(instance=book, confirmation="book", actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    operation = work_off(test.scratch)
    assert not operation.is_active
    assert _is_gone(memory_engine, test)
    assert not Incident.objects.filter(closed_at=None).exists()
