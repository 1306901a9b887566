"""Copies of databases' files within a backup, from which their journals can be followed.

PostgreSQL copies them while it goes on working; only the journal that was written meanwhile makes
them one state. https://www.postgresql.org/docs/15/app-pgbasebackup.html
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hosting.catalog import builder, journal
from hosting.catalog.berth_schema import BackupDatabase
from hosting.engines import tar_aligning
from hosting.engines.errors import EngineError, EngineUnavailable, GiveUp
from hosting.engines.restic import Written
from hosting.flows import stacks
from hosting.flows.base import Work
from hosting.models import Backup, Journal
from hosting.selectors.saving import journals as reading
from hosting.services.saving import journals

PATH = "base/{service}.tar"
# It says nothing while it waits for its last piece of journal to be laid aside.
SILENCE = timedelta(minutes=10)
PATIENCE = timedelta(seconds=30)
_MB = 10**6
_HEAD_BYTES = 4096  # backup_label comes first
_START = re.compile(rb"START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)")
Write = Callable[[str, Iterator[bytes]], Written]
_NOW = "SELECT extract(epoch FROM clock_timestamp())"


@dataclass(frozen=True, slots=True)
class Base:
    """One database service's files as they were stored; the moments are by its own clock."""

    journal: Journal
    first_segment: str
    began_at: datetime
    ended_at: datetime
    written: Written

    def dump(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "service": self.journal.service,
            "journal": str(self.journal.pk),
            "first_segment": self.first_segment,
            "began_at": self.began_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "written": asdict(self.written),
        }


def save(work: Work, write: Write) -> list[Base]:
    """A base of each database whose journal is kept; none where one of them fails.

    The backup itself does not need them, so that it goes on without: that there is no base is
    noticed by its age. ``write`` stores a stream of the backup.
    """
    if not work.instance.plan.point_in_time_days or work.instance.is_scratch:
        return []
    try:
        return list(_save_all(work, write))
    except EngineUnavailable:
        raise
    except EngineError as error:
        work.report(f"no base for restoring to a minute: {error}")
        return []


def is_base(written: Written) -> bool:
    """Whether that stream is a base."""
    return written.path.startswith(PATH.partition("{")[0])


def record(backup: Backup, bases: list[Base]) -> None:
    """Write down what the backup holds. The caller holds the operation's lease."""
    backup.bases.all().delete()  # of an attempt before
    for each in bases:
        journals.record_base(
            backup=backup,
            journal=each.journal,
            first_segment=each.first_segment,
            began_at=each.began_at,
            ended_at=each.ended_at,
            written=asdict(each.written),
        )


def _save_all(work: Work, write: Write) -> Iterator[Base]:
    app = stacks.definition(work.instance)
    kept = {each.service: each for each in reading.open_of(work.instance)}

    for service in builder.databases(app):
        found = kept.get(service)
        if found is None or found.archived_until is None:
            raise GiveUp(f"the journal of {service} is not in the store yet")
        database = next(each for each in app.berth.backup.postgres if each.service == service)
        if _generation(work, database) != str(found.generation):
            raise GiveUp(f"the database of {service} keeps no journal yet")
        yield _save(work, write, found, database)


def _save(work: Work, write: Write, kept: Journal, database: BackupDatabase) -> Base:
    work.report(f"saving the files of the database in {database.service}")
    began_at = _now(work, database)
    command = (
        *("pg_basebackup", "--no-password", "-U", database.user, "-c", "fast"),
        *("-Ft", "-X", "none", "-D", "-"),
    )
    chunks = work.engine.read(work.stack.instance, database.service, command, silence=SILENCE)
    head = _Head()
    with closing(chunks):
        path = PATH.format(service=database.service)
        written = write(path, _aligned(head.seen(_minded(work, chunks))))
    work.report(f"saved the files of {database.service}: {written.size / _MB:.1f} MB")
    return Base(kept, head.first_segment(), began_at, _now(work, database), written)


def _minded(work: Work, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks, with a look at the lease and the clock where it only complains."""
    for chunk in chunks:
        if chunk:
            yield chunk
        else:
            work.report("")


def _aligned(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from tar_aligning.aligned(chunks)
    except tarfile.TarError as error:
        raise GiveUp(f"the copy of the database's files is no whole tar: {error}") from error


def _now(work: Work, database: BackupDatabase) -> datetime:
    """The moment by the database's clock."""
    return datetime.fromtimestamp(float(_ask(work, database, _NOW)), UTC)


def _generation(work: Work, database: BackupDatabase) -> str:
    """Of which generation it keeps the journal; empty where it keeps none."""
    return _ask(work, database, f"SELECT current_setting('{journal.GENERATION}', true)")


def _ask(work: Work, database: BackupDatabase, sql: str) -> str:
    command = ("psql", "-AtXq", "-U", database.user, "-d", database.database, "-c", sql)
    result = work.engine.run(work.stack.instance, database.service, command, timeout=PATIENCE)
    if result.exit_code != 0:
        raise GiveUp(f"{database.service} did not answer: {result.output.strip()[:200]}")
    return result.output.strip()


class _Head:
    """Looks at the first bytes of a stream that passes by."""

    def __init__(self) -> None:
        self._head = b""

    def seen(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if len(self._head) < _HEAD_BYTES:
                self._head += chunk[:_HEAD_BYTES]
            yield chunk

    def first_segment(self) -> str:
        """Where the journal has to be followed from."""
        found = _START.search(self._head)
        if found is None:
            raise GiveUp("the copy of the database's files does not say where its journal begins")
        return found[1].decode()
