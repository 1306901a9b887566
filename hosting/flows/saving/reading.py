"""Reading what may take hours, with a look at the lease and the clock in between."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from hosting.engines.errors import GiveUp
from hosting.flows.base import Work
from hosting.flows.saving import bases, snapshots
from hosting.flows.saving.sources import Source

CHECK_EVERY_SECONDS = 2.0
MOST_OF_THE_PLAN = 4  # what a part may be, in sizes of the plan's disk: dumps can be larger
_GB = 10**9


def watched(work: Work, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, with a look at the lease and the clock every two seconds.

    Raises ``GiveUp`` where they never end: a sparse file can be larger than any place for backups.
    """
    looked_at, size = time.monotonic(), 0
    for chunk in chunks:
        if time.monotonic() - looked_at > CHECK_EVERY_SECONDS:
            work.report("")
            looked_at = time.monotonic()
        size += len(chunk)
        if size > MOST_OF_THE_PLAN * work.instance.plan.disk_gb * _GB:
            raise GiveUp(f"it is more than {MOST_OF_THE_PLAN} times what the plan grants on disk")
        if chunk:
            yield chunk


def read_back(work: Work, source: Source, *, with_bases: bool = True) -> None:
    """Raise ``Damaged`` where that place does not give what was written."""
    for written in snapshots.written_of(source.backup):
        if not with_bases and bases.is_base(written):
            continue
        work.report(f"reading back {written.path}")
        for _ in watched(work, source.read(written)):
            pass
