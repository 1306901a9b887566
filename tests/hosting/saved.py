"""Proven backups without the time that it takes to make one."""

from __future__ import annotations

import io
import random
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from hosting.engines.restic import Target, Written, open_repository
from hosting.flows.saving.parts import Kind, Part
from hosting.models import Backup, BackupStore, Instance
from hosting.models.backup import FORMAT
from hosting.services.saving import backups

DUMP = random.Random(4).randbytes(1_500_000)
PASSWORD = "correct-horse-battery-Xy7"
TAKEN_AT = datetime(2026, 3, 1, 2, 34, tzinfo=UTC)
RUNNING = (
    Part(Kind.POSTGRES, "guestbook", service="db", user="guestbook"),
    Part(Kind.VOLUME, "data"),
)
AT_REST = tuple(Part(Kind.VOLUME, name) for name in ("data", "postgres", "redis"))


@dataclass(frozen=True)
class Template:
    """A repository that holds what a guestbook may be saved as, by path."""

    directory: Path
    written: Mapping[str, Written]


def make_template(directory: Path) -> Template:
    repository = open_repository(Target(str(directory)), "made", PASSWORD)
    repository.ensure()
    written = {}
    for part in {*RUNNING, *AT_REST}:
        content = DUMP if part.kind is Kind.POSTGRES else volume(part.name)
        written[part.path] = repository.write(part.path, [content], tags=[])
    return Template(directory / "made", written)


def volume(name: str) -> bytes:
    """The tar of a volume with one file in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        file = tarfile.TarInfo("./name")
        file.size = len(name)
        tar.addfile(file, io.BytesIO(name.encode()))
    return buffer.getvalue()


def place(
    template: Template, instance: Instance, target: Path, *, parts: tuple[Part, ...] = RUNNING
) -> Backup:
    """The backup of an instance, as its flow leaves it: the template is its repository."""
    store = BackupStore.objects.create(instance=instance, password=PASSWORD)
    shutil.copytree(template.directory, target / store.path)
    written = [template.written[part.path] for part in parts]
    backup = Backup.objects.create(instance=instance, trigger=Backup.Trigger.NIGHTLY)
    keys = {"secret_key": instance.secrets.get(name="secret_key").reveal()}
    manifest = {
        "format": 1,
        "app": instance.app,
        "version": instance.version,
        "definition": instance.definition,
        "images": {"berth.local/redis:7": "berth.local/redis@sha256:0815"},
        "at_rest": parts is AT_REST,
        "parts": [
            part.dump() | {"written": asdict(each)}
            for part, each in zip(parts, written, strict=True)
        ],
    }
    backups.record(
        backup=backup,
        manifest=manifest,
        secrets=keys,
        stored=[asdict(each) for each in written],
        taken_at=TAKEN_AT,
        size_bytes=1,
        stored_bytes=1,
    )
    backups.record_proven(backup=backup)
    return Backup.objects.get(pk=backup.pk)


def recorded(
    instance: Instance, *, manifest: Mapping[str, Any] | None = None, **changes: Any
) -> Backup:
    """The row alone of a backup that was just proven; nothing lies in a store."""
    now = timezone.now()
    told = {
        "format": FORMAT,
        "app": instance.app,
        "version": instance.version,
        "definition": instance.definition,
        "images": {"postgres:15": "postgres@sha256:of-then"},
        "at_rest": False,
        "parts": [],
        "checks": {},
    }
    values = {
        "trigger": Backup.Trigger.NIGHTLY,
        "manifest": told | dict(manifest or {}),
        "secrets": '{"secret_key": "the key of then"}',
        "taken_at": now,
        "verified_at": now,
    }
    with transaction.atomic():  # there are sealed keys in it
        return Backup.objects.create(instance=instance, **values | changes)
