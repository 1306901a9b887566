"""The two outputs of a command, which the engine sends in one stream.

A frame is eight bytes (kind, three zeros, length as big-endian 32 bits) and its payload:
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
"""

from __future__ import annotations

from collections.abc import Iterator

STDERR = 2
HEAD_BYTES = 8


class Frames:
    """Takes the stream apart as it comes, without waiting for whole frames."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._kind = 0
        self._left = 0  # of the payload

    @property
    def is_between(self) -> bool:
        """True where nothing is missing of the frame that came last."""
        return not (self._head or self._left)

    def add(self, data: bytes) -> Iterator[tuple[int, memoryview]]:
        """The pieces of payload in it, each with its kind."""
        rest = memoryview(data)
        while rest:
            if self._left:
                piece, rest = rest[: self._left], rest[self._left :]
                self._left -= len(piece)
                yield self._kind, piece
                continue
            missing = HEAD_BYTES - len(self._head)
            self._head += rest[:missing]
            rest = rest[missing:]
            if len(self._head) == HEAD_BYTES:
                self._kind = self._head[0]
                self._left = int.from_bytes(self._head[4:], "big")
                self._head.clear()


class Tail:
    """The last bytes of something long, in little memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()

    def add(self, piece: memoryview) -> None:
        self._kept += piece
        if len(self._kept) > 2 * self._limit:
            del self._kept[: -self._limit]

    def text(self) -> str:
        return bytes(self._kept[-self._limit :]).decode(errors="replace")
