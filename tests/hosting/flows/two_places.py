"""A book and a backup of it in two places, and what may become of a place."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from django.utils import timezone

from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import RunResult
from hosting.flows import stacks
from hosting.models import Backup, Incident, Instance, Operation
from hosting.services.saving import backups
from tenants.services.actors import Actor
from tests.hosting.engines import tars

WorkOff = Callable[[Instance], Operation]


def filled(book: Instance, engine: MemoryEngine) -> Instance:
    """The instance with a file in its volume, and a database that can be asked."""
    engine._read_command = lambda *_: [b"a dump"]
    engine._run_command = lambda *_: RunResult(0, "7\n")
    put(engine, book, "as it was then")
    return book


def saved(book: Instance, engine: MemoryEngine, work_off: WorkOff, actor: Actor) -> Backup:
    """A backup of it in both places; by now the file is another."""
    made = backups.request(instance=book, actor=actor)
    operation = work_off(book)
    assert operation.state == Operation.State.SUCCEEDED, operation.reason
    put(engine, book, "as it is now")
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
