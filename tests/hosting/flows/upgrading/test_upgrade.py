"""Changing versions and plans on a pretended server, and going back."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from hosting.engines.errors import GiveUp
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import RunResult
from hosting.flows import stacks
from hosting.flows.working import runner
from hosting.models import Backup, Instance, Operation, Plan, Rehearsal
from hosting.selectors.instances import hostname
from hosting.services import moves
from hosting.services.saving import backups
from hosting.services.upgrading import upgrades
from tenants.errors import Refused
from tenants.services.actors import Actor
from tests.hosting.engines import tars

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("answering")]
AS_BEFORE = "Everything is as it was before."
OLD = {"data", "postgres", "redis"}


@pytest.fixture
def book(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff, backup_target: Path, actor: Actor
) -> Instance:
    """One of the older version, with a file in its volume and a backup."""
    instance = order("book")
    Instance.objects.filter(pk=instance.pk).update(version="1")
    instance.refresh_from_db()
    work_off(instance)
    memory_engine._read_command = lambda *_: [b"a dump"]
    memory_engine._run_command = lambda *_: RunResult(0, "7\n")
    name = f"{instance.project}-data"
    memory_engine._world.files[name] = tars.tar(tars.folder("./"), tars.file("./file", b"mine"))
    backups.request(instance=instance, actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED
    return instance


def _file(engine: MemoryEngine, instance: Instance) -> str:
    """The file that the instance sees."""
    stack = stacks.build(instance)
    [mount] = stack.service("web").mounts
    with tarfile.open(fileobj=io.BytesIO(b"".join(engine.read_volume(stack, mount.volume)))) as tar:
        found = tar.extractfile("./file")
        assert found is not None
        return found.read().decode()


def _rehearse(instance: Instance, actor: Actor) -> Rehearsal:
    made = upgrades.rehearse(instance=instance, version="2", plan="", actor=actor)
    runner.run(made.scratch.operations.get().pk)
    made.refresh_from_db()
    return made


def _volumes(engine: MemoryEngine, instance: Instance) -> set[str]:
    there = engine.observe(str(instance.pk)).volumes
    return {each.removeprefix(f"{instance.project}-") for each in there}


@pytest.fixture
def large(db: None) -> Plan:
    return Plan.objects.create(
        slug="large", name="Large", cpus=Decimal(2), memory_mb=1024, disk_gb=10, processes=512
    )


def test_it_is_rehearsed_done_and_taken_back(
    book: Instance,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    answering: list[str],
) -> None:
    rehearsal = _rehearse(book, actor)
    assert (rehearsal.passed, rehearsal.reason) == (True, "")
    page = f"{hostname(book)}/"
    assert answering == [page], "the app is asked as it will be, though nobody else reaches it"
    assert rehearsal.scratch.is_deleted
    upgrade = upgrades.request(instance=book, version="2", plan="", actor=actor)
    operation = work_off(book)
    assert (operation.state, operation.reason) == ("succeeded", "")
    upgrade.refresh_from_db()
    assert (book.version, book.generation, book.state) == ("2", 2, "running")
    assert answering == [page, page]
    assert _file(memory_engine, book) == "mine"
    assert upgrade.safety is not None
    assert (upgrade.safety.trigger, upgrade.safety.is_good) == (Backup.Trigger.SAFETY, True)
    assert upgrade.kept_until is not None
    assert upgrade.seconds is not None
    moves.revert(instance=book, actor=actor)
    operation = work_off(book)
    assert (operation.state, operation.reason) == ("succeeded", "")
    assert (book.version, book.generation) == ("1", 1)
    assert _file(memory_engine, book) == "mine"


def test_a_version_that_does_not_start_is_taken_back_by_itself(
    book: Instance, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    _rehearse(book, actor)
    upgrade = upgrades.request(instance=book, version="2", plan="", actor=actor)
    before = book.expected
    broken = [GiveUp("web ends each time that it is started")]

    def break_once(said: str) -> None:
        if said == "starting web" and broken:
            raise broken.pop()

    memory_engine.faults.before_change = break_once
    operation = work_off(book)
    assert (operation.state, operation.reason) == (
        "failed",
        f"web ends each time that it is started. {AS_BEFORE}",
    )
    assert (book.version, book.generation, book.state) == ("1", 1, "running")
    assert book.expected == before
    assert _volumes(memory_engine, book) == OLD
    upgrade.refresh_from_db()
    assert (upgrade.kept_until, upgrade.trouble) == (None, "")


def test_an_app_is_not_changed_before_that_was_rehearsed(book: Instance, actor: Actor) -> None:
    count = Operation.objects.count()
    with pytest.raises(Refused, match="Rehearse the change to 2 first"):
        upgrades.request(instance=book, version="2", plan="", actor=actor)
    assert Operation.objects.count() == count


def test_a_plan_alone_needs_no_rehearsal_and_no_copy(
    book: Instance, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor, large: Plan
) -> None:
    upgrades.request(instance=book, version="", plan=large.slug, actor=actor)
    operation = work_off(book)
    assert (operation.state, operation.reason) == ("succeeded", "")
    assert (book.plan, book.generation, book.version) == (large, 1, "1")
    assert _volumes(memory_engine, book) == OLD
    with pytest.raises(Refused, match="no data of before a change"):
        moves.revert(instance=book, actor=actor)
