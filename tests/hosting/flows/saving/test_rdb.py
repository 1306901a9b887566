from __future__ import annotations

from collections.abc import Generator

import pytest

from hosting.flows.saving.rdb import without_mark

RDB = b"REDIS0010" + bytes(range(256)) + b"\xff" + b"12345678"
MARK = b"0123456789abcdef0123456789abcdef01234567"


def pieces(content: bytes, size: int) -> Generator[bytes, None, None]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("size", [1, 7, 40, 41, 4096])
def test_it_cuts_the_mark_off(size: int) -> None:
    assert b"".join(without_mark(pieces(RDB + MARK, size))) == RDB


@pytest.mark.parametrize("size", [1, 7, 40, 41, 4096])
def test_it_leaves_a_file_that_has_none(size: int) -> None:
    assert b"".join(without_mark(pieces(RDB, size))) == RDB


def test_it_leaves_what_is_short() -> None:
    assert b"".join(without_mark(pieces(b"", 9))) == b""
    assert b"".join(without_mark(pieces(b"REDIS", 9))) == b"REDIS"


def test_it_closes_what_it_reads() -> None:
    closed = []

    def endless() -> Generator[bytes, None, None]:
        try:
            while True:
                yield bytes(100)
        finally:
            closed.append(True)

    stream = without_mark(endless())
    next(stream)
    stream.close()
    assert closed
