"""The streams that a backup is made of."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from hosting.flows.parts import without_mark

END = b"\xff\x01\x02\x03\x04\x05\x06\x07\x08"
MARK = b"0123456789abcdef" * 2 + b"89abcdef"


@pytest.mark.parametrize("piece", [1, 7, 48, 49, 50, 1000])
@pytest.mark.parametrize("keys", [b"", b"REDIS0011" + b"k" * 200])
@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        (END, END),
        (END + MARK, END),
        (b"\xfe" + END[1:] + MARK, b"\xfe" + END[1:] + MARK),  # that is no end before it
        (END + MARK.upper(), END + MARK.upper()),  # and that is no mark
    ],
)
def test_a_snapshot_of_redis_ends_where_its_own_end_is(
    keys: bytes, tail: bytes, kept: bytes, piece: int
) -> None:
    said = keys + tail

    def chunks() -> Generator[bytes, None, None]:
        for at in range(0, len(said), piece):
            yield said[at : at + piece]

    assert b"".join(without_mark(chunks())) == keys + kept


def test_the_snapshot_is_closed_with_its_reader() -> None:
    closed = []

    def chunks() -> Generator[bytes, None, None]:
        try:
            yield b"k" * 1000
            yield b"k" * 1000
        finally:
            closed.append(True)

    reading = without_mark(chunks())
    assert next(reading)
    reading.close()
    assert closed
