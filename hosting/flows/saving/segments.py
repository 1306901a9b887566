"""The names of the pieces of PostgreSQL's journal, and whether they follow upon each other: pure.

A piece ("segment") is named by 24 hexadecimal digits: eight for the timeline, eight and eight for
its place. https://www.postgresql.org/docs/15/wal-internals.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SEGMENT_BYTES = 16 * 1024 * 1024  # as initdb makes it, unless told otherwise
_SEGMENT = re.compile(r"[0-9A-F]{24}")
_KNOWN = re.compile(r"[0-9A-F]{24}(\.[0-9A-F]{8}\.backup|\.partial)?|[0-9A-F]{8}\.history")
_IN_ONE = 2**32 // SEGMENT_BYTES


def is_known(name: str) -> bool:
    """Whether PostgreSQL gives such names to what it hands over."""
    return bool(_KNOWN.fullmatch(name))


def only_segments(names: Iterable[str]) -> list[str]:
    """The segments among them, in their order; not histories and marks of backups."""
    return sorted(each for each in names if _SEGMENT.fullmatch(each))


def next_of(name: str) -> str:
    """The segment that follows upon that one."""
    timeline, number = name[:8], _number(name) + 1
    return f"{timeline}{number // _IN_ONE:08X}{number % _IN_ONE:08X}"


def end_of(name: str) -> int:
    """The first byte after it, as a place in the journal."""
    return (_number(name) + 1) * SEGMENT_BYTES


def place_of(lsn: str) -> int:
    """A place in the journal as PostgreSQL writes it: ``16/B374D848``."""
    high, _, low = lsn.partition("/")
    return int(high, 16) << 32 | int(low, 16)


def gap_in(names: Iterable[str], *, start: str) -> str | None:
    """The first segment that is missing from ``start`` on; None where there is none.

    Those before ``start`` and on other timelines do not count; ``start`` itself has to be there.
    """
    wanted, found = start, set(only_segments(names))
    last = max((each for each in found if each[:8] == start[:8]), default="")
    while wanted <= last:
        if wanted not in found:
            return wanted
        wanted = next_of(wanted)
    return None if start in found else start


def _number(name: str) -> int:
    return int(name[8:16], 16) * _IN_ONE + int(name[16:24], 16)
