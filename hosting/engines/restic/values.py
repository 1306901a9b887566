"""What a repository holds, in plain frozen values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_ID_LENGTH = 8  # all that restic 0.14 tells of a snapshot that it has just written


@dataclass(frozen=True, slots=True)
class Written:
    """One stream as it was stored; ``snapshot`` and ``path`` find it again.

    ``size`` in bytes and ``sha256`` in hex are those of the stream. ``stored_bytes`` is what it
    added to the repository: only what was not there yet, compressed.
    """

    snapshot: str
    path: str
    size: int
    sha256: str
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot of a repository. ``size`` in bytes is None where restic does not record it."""

    id: str
    path: str
    tags: frozenset[str]
    taken_at: datetime  # in UTC
    size: int | None


def short_id(snapshot: str) -> str:
    """A snapshot's id in the one form that all versions of restic tell."""
    return snapshot[:_ID_LENGTH]


def parse_snapshots(text: str) -> Iterator[Snapshot]:
    """The snapshots in the output of ``restic snapshots --json``, oldest first."""
    listed: list[dict[str, Any]] = json.loads(text or "null") or []
    for each in sorted(listed, key=lambda item: _moment(item["time"])):
        yield Snapshot(
            id=short_id(each["id"]),
            path=each["paths"][0].strip("/"),
            tags=frozenset(each.get("tags") or ()),
            taken_at=_moment(each["time"]),
            size=(each.get("summary") or {}).get("total_bytes_processed"),
        )


def _moment(text: str) -> datetime:
    """RFC 3339 with nanoseconds, which Python reads down to microseconds."""
    return datetime.fromisoformat(text).astimezone(UTC)
