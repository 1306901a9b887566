"""Bringing data back from the second place, on two directories of which the first is lost."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from hosting.engines.errors import GiveUp
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import RunResult
from hosting.flows import stacks
from hosting.flows.base import Work
from hosting.flows.saving import (
    choosing,
    copies,
    portable,
    reading,
    repositories,
    snapshots,
    sources,
)
from hosting.models import Backup, BackupStore, Incident, Instance, Operation
from hosting.services import moves
from hosting.services.saving import backup_copies, backup_stores, backups, clones, restores
from hosting.services.watching import incidents
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services.actors import Actor
from tests.hosting.engines import tars
from tests.hosting.engines.restic.servers import s3_server

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("answering")]


@pytest.fixture
def away(settings: Settings, tmp_path: Path) -> Path:
    """The second place."""
    place = tmp_path / "off-site"
    place.mkdir()
    settings.BERTH_BACKUP_COPY = str(place)
    return place


@pytest.fixture
def book(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff, backup_target: Path, away: Path
) -> Instance:
    """An instance with a file in its volume."""
    instance = order("book")
    work_off(instance)
    memory_engine._read_command = lambda *_: [b"a dump"]
    memory_engine._run_command = lambda *_: RunResult(0, "7\n")
    put(memory_engine, instance, "as it was then")
    return instance


@pytest.fixture
def backup(book: Instance, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor) -> Backup:
    """Of that, in both places; by now the file is another."""
    made = backups.request(instance=book, actor=actor)
    operation = work_off(book)
    assert operation.state == Operation.State.SUCCEEDED, operation.reason
    put(memory_engine, book, "as it is now")
    made = Backup.objects.get(pk=made.pk)
    backups.set_pinned(backup=made, is_pinned=True, actor=actor)  # else the day's last one is kept
    return Backup.objects.get(pk=made.pk)


def put(engine: MemoryEngine, instance: Instance, content: str) -> None:
    name = f"{instance.project}-data"
    engine._world.files[name] = tars.tar(tars.folder("./"), tars.file("./file", content.encode()))


def file(engine: MemoryEngine, instance: Instance) -> str:
    """The file that the instance sees."""
    stack = stacks.build(instance)
    [mount] = stack.service("web").mounts
    with tarfile.open(fileobj=io.BytesIO(b"".join(engine.read_volume(stack, mount.volume)))) as tar:
        found = tar.extractfile("./file")
        assert found is not None
        return found.read().decode()


def damage(place: Path) -> None:
    """Another byte in the middle of each file of data."""
    for each in place.glob("*/*/data/*/*"):
        content = bytearray(each.read_bytes())
        content[len(content) // 2] ^= 0xFF
        each.chmod(0o600)
        each.write_bytes(content)


def lose(place: Path) -> None:
    """The repository is gone; its disk is there."""
    [directory] = place.glob("*/*")
    shutil.rmtree(directory)


def unmount(place: Path) -> None:
    place.rename(place.with_name("not-mounted"))


def is_copied(backup: Backup) -> bool:
    found = Backup.objects.get(pk=backup.pk)
    assert found.is_good
    return found.is_in_second_place


def open_kinds() -> set[str]:
    return set(Incident.objects.filter(closed_at=None).values_list("kind", flat=True))


def output(operation: Operation) -> str:
    return "\n".join(each.output for each in operation.steps.order_by("position"))


def until_it_ends(work_off: WorkOff, instance: Instance) -> Operation:
    """Try it again at once as long as it is put off."""
    operation = work_off(instance)
    while operation.is_active:
        Operation.objects.filter(pk=operation.pk).update(run_after=timezone.now())
        operation = work_off(instance)
    return operation


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
