"""The numbers of PostgreSQL's advisory locks, which belong to the whole database."""

from __future__ import annotations

import re
from pathlib import Path

ROOMS = ("billing", "hosting", "tenants")
_LOCK = re.compile(r"^_?(?:\w+_)?LOCK = (0x[0-9A-Fa-f_]+)", re.MULTILINE)


def test_each_lock_has_a_number_of_its_own() -> None:
    """Else who writes down looks at instances keeps usage from being summed up, say."""
    files = [file for room in ROOMS for file in Path(room).rglob("*.py")]
    found = [int(number, 16) for file in files for number in _LOCK.findall(file.read_text())]
    assert len(found) >= 10
    assert sorted(found) == sorted(set(found))
