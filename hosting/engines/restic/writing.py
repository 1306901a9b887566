"""The parts of storing a stream: what restic is told, what it is fed, what it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from hosting.engines.errors import GiveUp
from hosting.engines.restic.process import Child
from hosting.engines.restic.values import short_id

_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=/-]*")

# A pipe holds 64 KiB that nobody has read. Once more than that went in, restic reads: it holds its
# lock, and cannot fail for another's any more.
_UNREAD_BYTES = 64 * 1024


def arguments(
    path: str, *, tags: Collection[str], host: str, taken_at: datetime | None
) -> tuple[str, ...]:
    """``restic backup`` of its input. Raises ``GiveUp`` for a path, tag or host that is none."""
    if not _PATH.fullmatch(path):
        raise GiveUp(f"{path!r} cannot be a path in a backup repository")
    for word in (*tags, host):
        if not _TAG.fullmatch(word):
            raise GiveUp(f"{word!r} cannot be a tag or host in a backup repository")
    moment = taken_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if taken_at else None
    return (
        "backup",
        *("--stdin", f"--stdin-filename={path}", "--json", "--verbose=2", f"--host={host}"),
        *(f"--tag={tag}" for tag in sorted(tags)),
        *((f"--time={moment}",) if moment else ()),
    )


class Source:
    """A caller's chunks; the first of them are kept until restic has begun to read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._rest = iter(chunks)
        self._kept: list[bytes] = []
        self.can_rewind = True

    def paced(self, child: Child) -> Iterator[bytes]:
        """All chunks from the beginning; the time it takes to make one is not the child's."""
        yield from self._kept
        while True:
            child.is_ours = True
            chunk = next(self._rest, None)
            child.is_ours = False
            if chunk is None:
                return
            self._keep(chunk)
            yield chunk

    def _keep(self, chunk: bytes) -> None:
        if self.can_rewind and sum(map(len, self._kept)) > _UNREAD_BYTES:
            self.can_rewind = False
            self._kept.clear()
        elif self.can_rewind:
            self._kept.append(chunk)


class Summary:
    """What ``restic backup --json`` tells while it runs and at its end."""

    def __init__(self) -> None:
        self.snapshot = ""
        self.size = 0
        self.stored = 0

    def take(self, line: str) -> None:
        """Read one line. Lines that are no message are none of ours."""
        if not line.startswith("{"):
            return
        message: dict[str, Any] = json.loads(line)
        if message.get("message_type") == "verbose_status":
            self.stored += message.get("data_size_in_repo", 0)
            self.stored += message.get("metadata_size_in_repo", 0)
        elif message.get("message_type") == "summary":
            self.snapshot = short_id(message["snapshot_id"])
            self.size = message["total_bytes_processed"]
            self.stored = message.get("data_added_packed", self.stored)
