"""Bringing data back from the second place, on two directories of which the first is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from hosting.engines.memory import MemoryEngine
from hosting.flows.saving import (
    portable,
    repositories,
    sources,
)
from hosting.models import Backup, Incident, Instance, Operation
from hosting.services import moves
from hosting.services.saving import backups, clones, restores
from hosting.services.watching import incidents
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services.actors import Actor
from tests.hosting.engines.restic.servers import s3_server
from tests.hosting.flows.two_places import (
    damage,
    file,
    filled,
    lose,
    open_kinds,
    output,
    put,
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


@pytest.mark.parametrize("loss", [lose, damage, unmount])
def test_a_restore_from_the_second_place_needs_no_first(
    book: Instance,
    backup: Backup,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    backup_target: Path,
    loss: Callable[[Path], None],
) -> None:
    loss(backup_target)
    restores.request(instance=book, backup=backup, actor=actor, is_from_copy=True)
    operation = until_it_ends(work_off, book)
    assert (operation.state, operation.reason) == ("succeeded", "")
    assert (file(memory_engine, book), book.generation) == ("as it was then", 2)
    assert "reading from the second place" in output(operation)
    assert "nothing is saved: " in output(operation)
    assert "its data stays on the server as it is" in output(operation)
    told = AuditEvent.objects.filter(action="instance.restore_requested").latest("at").after
    assert told["read_from"] == "the second place"
    is_told = Incident.objects.filter(kind=Incident.Kind.BACKUP_DAMAGED, closed_at=None).exists()
    assert is_told is (loss is not unmount)
    moves.revert(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    assert file(memory_engine, book) == "as it is now"


def test_while_the_first_is_well_what_is_there_is_saved_in_it(
    book: Instance, backup: Backup, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    made = restores.request(instance=book, backup=backup, actor=actor, is_from_copy=True)
    assert work_off(book).state == Operation.State.SUCCEEDED
    made.refresh_from_db()
    assert made.safety is not None
    assert made.safety.is_good
    sources.first(made.safety).check()
    assert file(memory_engine, book) == "as it was then"


def test_a_new_instance_is_made_from_the_second_place(
    book: Instance,
    backup: Backup,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    backup_target: Path,
) -> None:
    lose(backup_target)
    made = clones.request(
        backup=backup, name="copy", plan=book.plan.slug, actor=actor, is_from_copy=True
    )
    operation = work_off(made)
    assert (operation.state, operation.reason) == ("succeeded", "")
    assert "reading from the second place" in output(operation)
    assert (file(memory_engine, made), file(memory_engine, book)) == (
        "as it was then",
        "as it is now",
    )
    told = AuditEvent.objects.get(action="instance.ordered", after__name="copy").after
    assert told["read_from"] == "the second place"


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (lose, "in the second place the backup repository"),
        (damage, "is damaged"),
        (unmount, "is its disk mounted?"),
    ],
)
def test_a_second_place_that_is_lost_is_found_before_anything_is_touched(
    book: Instance,
    backup: Backup,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    away: Path,
    loss: Callable[[Path], None],
    sentence: str,
) -> None:
    loss(away)
    before = memory_engine.observe(str(book.pk))
    restores.request(instance=book, backup=backup, actor=actor, is_from_copy=True)
    operation = until_it_ends(work_off, book)
    assert (operation.state, operation.undoing) == (Operation.State.FAILED, "")
    assert sentence in operation.reason
    assert memory_engine.observe(str(book.pk)) == before


def test_a_part_that_the_second_place_lacks_is_named(
    book: Instance, backup: Backup, work_off: WorkOff, actor: Actor
) -> None:
    second = repositories.copy(book)
    assert second is not None
    second.forget([each.id for each in second.snapshots() if each.path == "volumes/data.tar"])
    restores.request(instance=book, backup=backup, actor=actor, is_from_copy=True)
    reason = work_off(book).reason
    assert reason == "volumes/data.tar of this backup is not in the second place any more"


def test_what_is_not_in_the_second_place_is_refused(
    book: Instance, backup: Backup, actor: Actor, settings: Settings
) -> None:
    def refused() -> str:
        with pytest.raises(Refused) as restoring:
            restores.request(instance=book, backup=backup, actor=actor, is_from_copy=True)
        with pytest.raises(Refused) as copying:
            clones.request(
                backup=backup, name="copy", plan=book.plan.slug, actor=actor, is_from_copy=True
            )
        assert restoring.value.message == copying.value.message
        return restoring.value.message

    Backup.objects.update(copied_at=None)
    assert refused() == "This backup was not copied to the second place."
    settings.BERTH_BACKUP_COPY = ""
    assert refused() == "No second place for backups is configured here."
    assert not Instance.objects.filter(name="copy").exists()
    assert not book.operations.filter(kind=Operation.Kind.RESTORE).exists()


def test_one_whose_first_place_is_broken_is_read_from_the_second_unasked(
    book: Instance,
    backup: Backup,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    backup_target: Path,
) -> None:
    damage(backup_target)  # which only reading all of it finds
    made = restores.request(instance=book, backup=backup, actor=actor)
    operation = work_off(book)
    assert (operation.state, operation.reason) == ("succeeded", "")
    assert "the second place has this backup too" in output(operation)
    made.refresh_from_db()
    assert made.is_from_copy
    assert file(memory_engine, book) == "as it was then"
    assert open_kinds() == {Incident.Kind.BACKUP_DAMAGED}


@pytest.mark.parametrize("loss", [lose, damage, unmount])
def test_what_is_taken_out_comes_from_the_second_place_where_the_first_has_it_not(
    book: Instance, backup: Backup, backup_target: Path, loss: Callable[[Path], None]
) -> None:
    loss(backup_target)
    if loss is damage:  # known from a restore test, say
        kind = Incident.Kind.BACKUP_DAMAGED
        incidents.open_for(kind=kind, instance=book, summary="A byte was changed.")
    archive = portable.archive(backup)
    assert archive.source.is_second
    assert sum(map(len, archive.chunks())) == archive.size


def test_a_second_place_on_s3_gives_back_what_a_lost_directory_had(
    book: Instance,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
    backup_target: Path,
    settings: Settings,
    tmp_path: Path,
) -> None:
    with s3_server(tmp_path / "s3" / "objects") as server:
        target = server.target()
        settings.BERTH_BACKUP_COPY = target.location
        settings.BERTH_BACKUP_COPY_ENVIRONMENT = dict(target.environment)
        backup = backups.request(instance=book, actor=actor)
        assert work_off(book).state == Operation.State.SUCCEEDED
        backup.refresh_from_db()
        assert backup.is_in_second_place
        assert backup.copy_read_at is not None
        put(memory_engine, book, "as it is now")
        lose(backup_target)
        restores.request(instance=book, backup=backup, actor=actor)
        operation = work_off(book)
    assert (operation.state, operation.reason) == ("succeeded", "")
    assert file(memory_engine, book) == "as it was then"
    said = output(operation)
    assert all(each not in said for each in target.environment.values())
