"""Tars on the way from one place to another: their entries under other names, as a stream."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, cast

from hosting.engines.tar_stream import TarWatch, watched

BLOCK = 512
END = bytes(2 * BLOCK)
_PIECE_BYTES = 256 * 1024


def folder(name: str, *, owner: tuple[int, int], mode: int) -> bytes:
    """The entry of a directory."""
    entry = tarfile.TarInfo(f"{name.rstrip('/')}/")
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    entry.uid, entry.gid = owner
    return entry.tobuf(tarfile.PAX_FORMAT)


def file(name: str, content: bytes, *, owner: tuple[int, int], mode: int = 0o600) -> bytes:
    """The entry of a small file, with what is in it."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    entry.uid, entry.gid = owner
    return entry.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % BLOCK)


def moved(
    chunks: Iterable[bytes],
    name_of: Callable[[str], str | None],
    *,
    before: Callable[[tarfile.TarInfo], bytes] = lambda _: b"",
) -> Iterator[bytes]:
    """The entries of that tar under the names that ``name_of`` gives; None leaves one out.

    ``before`` gives what else stands before one. Without the end of a tar: more may follow. All of
    ``chunks`` is read, so that what it raises at its end comes out. Raises ``tarfile.TarError`` for
    what is no tar.
    """
    source = _Source(watched(chunks, TarWatch(), broken=tarfile.ReadError))
    with tarfile.open(fileobj=cast("IO[bytes]", source), mode="r|") as tar:
        while (entry := tar.next()) is not None:
            cast("Any", tar).members.clear()  # it would remember them all
            name = name_of(entry.name)
            if name is None:
                continue
            content = tar.extractfile(entry) if entry.isreg() else None
            entry.name = name + "/" * entry.isdir()
            entry.pax_headers = {}
            yield before(entry)
            yield entry.tobuf(tarfile.PAX_FORMAT)
            if content is not None:
                yield from iter(lambda held=content: held.read(_PIECE_BYTES), b"")  # type: ignore[misc]
                yield bytes(-entry.size % BLOCK)
    source.drain()


class _Source:
    """Chunks as something that can be read from."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = b""

    def read(self, size: int) -> bytes:
        """That many bytes, fewer only at the end."""
        parts, missing = [], size
        while missing:
            if not self._held:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._held = chunk
            part, self._held = self._held[:missing], self._held[missing:]
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def drain(self) -> None:
        """Read what is left."""
        for _ in self._chunks:
            pass
