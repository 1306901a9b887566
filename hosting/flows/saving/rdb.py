"""The snapshot of a Redis as ``redis-cli --rdb -`` writes it, made a clean RDB file.

A Redis that sends its snapshot without storing it first (the default since 7.0) ends it with a mark
of 40 random hexadecimal digits, which redis-cli cuts off a file and leaves in a stream. Redis
refuses such a file as the base of an append only file: "Bad file format".
https://github.com/redis/redis/blob/7.0.15/src/redis-cli.c (getRDB)
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import closing

MARK_BYTES = 40
_MARK = re.compile(rb"[0-9a-f]{40}")


def without_mark(chunks: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """The stream without the mark, where it has one.

    No RDB file looks as if: the ninth byte from its end is 255, which is no digit.
    """
    held = b""
    with closing(chunks):
        for chunk in chunks:
            held += chunk
            if len(held) > MARK_BYTES:
                yield held[:-MARK_BYTES]
                held = held[-MARK_BYTES:]
            elif not chunk:
                yield b""  # whoever reads it looks at the clock meanwhile
    if not _MARK.fullmatch(held):
        yield held
