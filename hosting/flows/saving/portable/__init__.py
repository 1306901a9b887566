"""A backup as one file that runs anywhere: taken out of Berth, and independent of it.

A tar with a Compose file, the data, the keys and a script that puts them together. It is read from
the repository as it is sent: nothing is written to a disk here, and memory stays flat.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings

from hosting.catalog.credentials import generate, generated_secrets
from hosting.catalog.errors import BuildError
from hosting.catalog.portable import Origin, compose_files
from hosting.catalog.schema import App
from hosting.engines.errors import EngineError, GiveUp
from hosting.engines.restic import Damaged, Written
from hosting.flows import stacks
from hosting.flows.saving import sources, upkeep
from hosting.flows.saving.parts import Kind, Part
from hosting.flows.saving.portable import tar, texts
from hosting.flows.saving.portable.tar import File, NotWhole
from hosting.flows.saving.sources import Source
from hosting.models import Backup
from hosting.selectors.saving import backups as reading
from hosting.services.saving import backups
from tenants.services.actors import Actor

FORMAT = 1  # of the manifest, that this can read
SUMS = "SHA256SUMS"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that is ready to be sent."""

    name: str
    source: Source
    files: Sequence[File]
    mtime: int

    @property
    def size(self) -> int:
        """Of the whole tar, in bytes."""
        return tar.size(self.name, self.files)

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer that sends it."""
        return {
            "Content-Type": "application/x-tar",
            "Content-Length": str(self.size),
            "Content-Disposition": f'attachment; filename="{self.name}.tar"',
            "X-Accel-Buffering": "no",  # else nginx would keep it on its disk
        }

    def chunks(self) -> Iterator[bytes]:
        """The tar, in pieces. May be closed early.

        Raises ``EngineError`` where the repository fails: the tar then has no end, and the file
        that is not whole is cut off. Where it is the repository's own damage, there is an incident.
        """
        try:
            yield from tar.stream(self.name, self.files, mtime=self.mtime)
        except NotWhole as error:
            damage = Damaged(f"the backup holds other data than was saved: {error}")
            _tell(self.source, damage)
            raise damage from error
        except EngineError as error:
            _tell(self.source, error)
            raise


def take_out(backup: Backup, *, actor: Actor, reason: str = "") -> Archive:
    """The archive for that person, who is written down before the first byte.

    Raises as ``archive`` does.
    """
    found = archive(backup)
    place = "the second place" if found.source.is_second else ""
    backups.record_downloaded(backup=backup, actor=actor, read_from=place, reason=reason)
    return found


def archive(backup: Backup) -> Archive:
    """The archive of a proven backup; its repository was asked whether it has all of it.

    Raises ``Refused`` for a backup that is not whole, and ``EngineError`` where the repository
    can't be reached, has lost something, or the backup can't be read by this Berth.
    """
    backups.refuse_download(backup=backup)
    manifest, taken_at = backup.manifest, backup.taken_at
    if manifest.get("format") != FORMAT or taken_at is None:
        raise GiveUp("the backup was written by another version of Berth, which has to read it")
    source = _source(backup)
    app = stacks.read_definition(manifest["definition"])
    origin = _origin(backup, app)
    name = f"{origin.name}-{taken_at:%Y%m%d-%H%M}"
    saved = [(_part(each), Written(**each["written"])) for each in manifest["parts"]]
    parts = [part for part, _ in saved]
    files = [
        File.of_text(
            "README.md",
            texts.readme(
                origin, taken_at=f"{taken_at:%Y-%m-%d %H:%M} UTC", folder=name, parts=parts
            ),
        ),
        *_compose(origin),
        File.of_text(
            "restore.sh",
            texts.restore_script(app, parts, at_rest=manifest["at_rest"]),
            mode=0o755,
        ),
        File.of_text("manifest.json", json.dumps(manifest, indent=2, sort_keys=True) + "\n"),
        *(_file(source, part, written) for part, written in saved),
    ]
    files.append(_sums(files))
    return Archive(name, source, files, mtime=int(taken_at.timestamp()))


def _source(backup: Backup) -> Source:
    """Where all of it is: the second place where the first is away, or not to be relied upon."""
    if not backup.is_in_second_place:
        return _checked(sources.first(backup))
    if not backup.is_in_first_place or reading.is_damaged(backup.instance):
        return _checked_second(backup)
    try:
        return _checked(sources.first(backup))
    except EngineError as error:
        logger.warning("the backup %s is read from the second place: %s", backup.pk, error)
        return _checked_second(backup)


def _checked(source: Source) -> Source:
    try:
        source.check()
    except EngineError as error:
        _tell(source, error)
        raise
    return source


def _checked_second(backup: Backup) -> Source:
    try:
        return _checked(sources.second(backup))
    except EngineError as error:
        upkeep.tell_if_copy_broken(backup.instance, error)
        raise


def _tell(source: Source, error: EngineError) -> None:
    tell = upkeep.tell_if_copy_broken if source.is_second else upkeep.tell_if_broken
    tell(source.backup.instance, error)


def _origin(backup: Backup, app: App) -> Origin:
    manifest, instance = backup.manifest, backup.instance
    return Origin(
        app=app,
        version=manifest["version"],
        name=f"{manifest['app']}-{instance.name}",
        instance=str(instance.pk),
        timezone=instance.client.timezone,
        secrets=_secrets(backup, app),
        settings=settings.BERTH_APP_SETTINGS,
        images=manifest["images"],
    )


def _secrets(backup: Backup, app: App) -> Mapping[str, str]:
    """The keys that its data needs; for the others what the instance has, while it exists.

    A database that is made anew takes any password.
    """
    keys: dict[str, str] = json.loads(backup.secrets)
    present = {each.name: each.reveal() for each in backup.instance.secrets.all()}
    known = present | keys
    return {
        name: known[name] if name in known else generate(spec)
        for name, spec in generated_secrets(app).items()
    }


def _compose(origin: Origin) -> Iterator[File]:
    try:
        files = compose_files(origin)
    except BuildError as error:
        raise GiveUp(str(error)) from error
    for path, text in files.items():
        # Containers read their secrets as users of their own.
        yield File.of_text(path, text, mode=0o444 if path.startswith("secrets/") else 0o644)


def _part(saved: Mapping[str, Any]) -> Part:
    return Part(Kind(saved["kind"]), saved["name"], service=saved["service"], user=saved["user"])


def _file(source: Source, part: Part, written: Written) -> File:
    read = partial(source.read_uncompared, written)
    return File(part.path, written.size, written.sha256, read)


def _sums(files: Sequence[File]) -> File:
    return File.of_text(SUMS, "".join(f"{each.sha256}  {each.path}\n" for each in files))
