"""One repository: streams go in, come out again, and are checked on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from hosting.engines.base import Report, silent
from hosting.engines.errors import EngineError, GiveUp
from hosting.engines.restic import keys, storage, writing
from hosting.engines.restic.errors import (
    Damaged,
    Locked,
    RepositoryMissing,
)
from hosting.engines.restic.running import Runs
from hosting.engines.restic.target import Target
from hosting.engines.restic.values import Snapshot, Written, parse_snapshots, short_id

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_LOOK_SECONDS = 2.0
Watch = Callable[[Iterator[bytes]], Iterator[bytes]]
_ID = re.compile(r"[0-9a-f]{8,64}")


def open_repository(target: Target, name: str, password: str) -> Repository:
    """The repository of that name there, whether it exists or not; nothing is asked of the target.

    Raises ``GiveUp`` for a location, name or password that cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise GiveUp(f"{name!r} cannot name a backup repository")
    if not password or password != password.strip() or "\n" in password:
        raise GiveUp(f"the password of the backup repository {name} is empty or has blanks")
    _ = target.kind
    return Repository(target, name, password)


@dataclass(frozen=True, slots=True)
class Repository(Runs):
    """A restic repository, made by ``open_repository``.

    All methods raise ``WrongPassword``, ``RepositoryMissing``, ``TargetRefused``, ``TargetFull``
    and ``Damaged``, which stay until a person has acted, and ``TargetUnavailable`` and ``Locked``,
    which may pass. The locks of processes that have died are removed on the way.

    A snapshot counts only once ``write`` has returned it: keep what it returned, and forget any
    other. Call from a thread that outlives the call, as restic dies with the thread it came from.
    """

    def ensure(self) -> bool:
        """Make it where it is missing; True if it was made now.

        Call it only for a repository that is new: one that was lost must not come back empty.
        Raises ``Damaged`` where there are snapshots and no configuration.
        """
        try:
            self._run("cat", "config")
        except RepositoryMissing:
            storage.clear_unfinished(self.target, self.name)
            self._run("init", "--quiet")
            keys.quicken(self.target, self.name, self.password, self._run)
            return True
        return False

    def write(
        self, path: str, chunks: Iterable[bytes], *, tags: Collection[str], host: str = "berth"
    ) -> Written:
        """Store the stream under that path, as a snapshot of its own.

        What ``chunks`` raises comes out, and no snapshot is left: nor where restic fails. Memory
        stays flat. ``chunks`` is not closed. Nobody is waited for but the target.
        """
        return self.write_at(path, chunks, tags=tags, host=host, taken_at=None)

    def write_at(
        self,
        path: str,
        chunks: Iterable[bytes],
        *,
        tags: Collection[str],
        host: str = "berth",
        taken_at: datetime | None,
    ) -> Written:
        """``write`` with the snapshot's time given, for a copy; None is now."""
        arguments = writing.arguments(path, tags=tags, host=host, taken_at=taken_at)
        source = writing.Source(chunks)
        try:
            return self._write_once(path, arguments, source)
        except Locked:
            if not source.can_rewind:
                raise
        self.unlock_stale()
        return self._write_once(path, arguments, source)

    def read(self, snapshot: str, path: str) -> Generator[bytes, None, None]:
        """The stored stream, in pieces. May be closed early.

        Raises ``Damaged`` at the end where it was not whole: use nothing of it before.
        """
        self.target.refuse_missing()
        with self._child("dump", _id(snapshot), f"/{path.strip('/')}") as child:
            for chunk in child.output():
                child.is_ours = True
                yield chunk
                child.is_ours = False
            try:
                self._end(child)
            except Damaged as error:
                raise Damaged(f"{path} of snapshot {snapshot} is not whole: {error}") from None

    def verify(self, written: Written, *, watch: Watch = iter) -> None:
        """Read all of it back. Raises ``Damaged`` where size or SHA-256 are others.

        ``watch`` is handed the stream and hands it on: what it raises comes out.
        """
        for _ in watch(self.read_as_written(written)):
            pass

    def read_as_written(self, written: Written) -> Generator[bytes, None, None]:
        """As ``read``; raises ``Damaged`` at the end also where size or SHA-256 are others."""
        digest, size = sha256(), 0
        with closing(self.read(written.snapshot, written.path)) as chunks:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                yield chunk
        if (size, digest.hexdigest()) != (written.size, written.sha256):
            raise Damaged(
                f"{written.path} in the backup repository {self.name} is not what was written:"
                f" {size} bytes came back of {written.size}"
                + (", with another checksum" if size == written.size else "")
            )

    def snapshots(self, *, tags: Collection[str] = ()) -> tuple[Snapshot, ...]:
        """Those that have all of the tags, oldest first."""
        listed = parse_snapshots(self._run("snapshots", "--json"))
        return tuple(each for each in listed if each.tags >= frozenset(tags))

    def forget(self, snapshots: Collection[str]) -> None:
        """Remove these snapshots; one that is gone is fine. Only ``prune`` frees the space."""
        if snapshots:
            self._run("forget", "--quiet", *map(_id, snapshots))

    def prune(self, *, report: Report = silent) -> None:
        """Remove what no snapshot needs; report restic's own lines. Nothing else can run then."""
        self._run("prune", report=report)

    def check(self, *, read_data: bool = False) -> None:
        """Raise ``Damaged`` where the structure is not whole; ``read_data`` reads all data too.

        Without it a changed byte in the data stays unseen.
        """
        try:
            self._run("check", *(("--read-data",) if read_data else ()))
        except (Damaged, RepositoryMissing) as error:
            raise Damaged(str(error)) from None

    def copy_to(
        self, other: Repository, snapshots: Collection[str], *, watch: Watch = iter
    ) -> None:
        """Store these snapshots in the other repository too; those that it has are left alone.

        Tags and time stay, ids do not. ``watch`` is handed a stream that goes on as long as the
        copying, and hands it on: what it raises comes out, and ends it. Raises ``Damaged`` where
        one does not exist here.
        """
        if not snapshots:
            return
        if not self.target.mixes_with(other.target):
            self._send_to(other, snapshots, watch)
            return
        try:
            self._copy_once(other, snapshots, watch)
        except Locked:
            self.unlock_stale()
            other.unlock_stale()
            self._copy_once(other, snapshots, watch)

    def size_bytes(self) -> int:
        """What the snapshots take in the repository, in bytes; what ``prune`` would free is not in.

        Deduplicated, compressed and encrypted.
        """
        stats = json.loads(self._run("stats", "--mode", "raw-data", "--json"))
        return int(stats["total_size"])

    def destroy(self) -> None:
        """Remove the repository, its keys first; one that is gone is fine.

        Needs no right password. Where the target keeps old versions of its objects, these stay:
        without the repository's password nobody can read them.
        """
        self.target.refuse_missing()
        storage.remove(self.target, self.name)

    # Writing and copying

    def _write_once(self, path: str, arguments: tuple[str, ...], source: writing.Source) -> Written:
        self.target.refuse_missing()
        summary = writing.Summary()
        digest, size = sha256(), 0
        with self._child(*arguments) as child:
            child.each_line(summary.take)
            for chunk in source.paced(child):
                digest.update(chunk)
                size += len(chunk)
                if not child.feed(chunk):
                    break
            else:
                child.close_input()
            try:
                self._end(child)
            except EngineError:
                self._forget_half(summary)
                raise
        if not summary.snapshot or summary.size != size:
            self._forget_half(summary)
            raise Damaged(f"restic stored {summary.size} of the {size} bytes of {path}")
        return Written(summary.snapshot, path, size, digest.hexdigest(), summary.stored)

    def _forget_half(self, summary: writing.Summary) -> None:
        if summary.snapshot:
            self.forget([summary.snapshot])

    def _copy_once(self, other: Repository, snapshots: Collection[str], watch: Watch) -> None:
        self.target.refuse_missing()
        other.target.refuse_missing()
        with other._child("copy", *map(_id, snapshots), other=self) as child:
            child.close_input()
            for _ in watch(child.output(or_nothing_every=_LOOK_SECONDS)):
                pass
            try:
                self._end(child)
            except GiveUp as error:
                text = str(error).replace(self.name, f"{self.name} or its copy {other.name}", 1)
                raise type(error)(text) from None
            if "no matching ID" in child.words:
                raise self._error(child)

    def _send_to(self, other: Repository, snapshots: Collection[str], watch: Watch) -> None:
        """Stream each from here to there, as restic has one set of credentials for both."""
        here = {each.id: each for each in self.snapshots()}
        there = {(each.path, each.taken_at.replace(microsecond=0)) for each in other.snapshots()}
        for snapshot in snapshots:
            found = here.get(short_id(snapshot))
            if found is None:
                raise Damaged(f"snapshot {snapshot} is not in the backup repository {self.name}")
            if (found.path, found.taken_at.replace(microsecond=0)) not in there:
                chunks = watch(self.read(found.id, found.path))
                other.write_at(found.path, chunks, tags=found.tags, taken_at=found.taken_at)


def _id(snapshot: str) -> str:
    """The id, if it is one: nothing else may become an argument of restic's."""
    if not _ID.fullmatch(snapshot):
        raise GiveUp(f"{snapshot!r} is not the id of a snapshot")
    return snapshot
