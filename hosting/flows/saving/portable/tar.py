"""Writing a tar whose files are streams, of which the size is known before.

In GNU's format: every tar reads it, for files of any size. The end comes last, so what broke off
is no whole tar.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

END = bytes(2 * tarfile.BLOCKSIZE)


class NotWhole(Exception):
    """A stream is not what was said of it."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of ``size`` bytes with that SHA-256 in hex; ``read`` opens its stream."""

    path: str
    size: int
    sha256: str
    read: Callable[[], Iterable[bytes]]
    mode: int = 0o644

    @classmethod
    def of_text(cls, path: str, text: str, *, mode: int = 0o644) -> Self:
        """A file with that text."""
        content = text.encode()
        return cls(path, len(content), sha256(content).hexdigest(), lambda: (content,), mode)

    def chunks(self) -> Iterator[bytes]:
        """The stream. Raises ``NotWhole``, and then the last of it was held back.

        A tar that breaks off between two files looks whole to some programs.
        """
        digest, size, held = sha256(), 0, b""
        for chunk in self.read():
            digest.update(chunk)
            size += len(chunk)
            if size > self.size:
                break
            if held:
                yield held
            held = chunk
        if (size, digest.hexdigest()) != (self.size, self.sha256):
            raise NotWhole(f"{self.path} is not what was saved")
        yield held


def stream(folder: str, files: Iterable[File], *, mtime: int) -> Iterator[bytes]:
    """The tar: the files below that folder, which is closed to all but its owner."""
    yield _header(f"{folder}/", mode=0o700, mtime=mtime)
    for file in files:
        yield _header(f"{folder}/{file.path}", mode=file.mode, mtime=mtime, size=file.size)
        yield from file.chunks()
        yield bytes(-file.size % tarfile.BLOCKSIZE)
    yield END


def size(folder: str, files: Iterable[File]) -> int:
    """How many bytes ``stream`` gives."""
    total = len(_header(f"{folder}/", mode=0, mtime=0)) + len(END)
    for file in files:
        total += len(_header(f"{folder}/{file.path}", mode=0, mtime=0, size=file.size))
        total += file.size + -file.size % tarfile.BLOCKSIZE
    return total


def _header(path: str, *, mode: int, mtime: int, size: int = 0) -> bytes:
    info = tarfile.TarInfo(path.rstrip("/"))
    info.type = tarfile.DIRTYPE if path.endswith("/") else tarfile.REGTYPE
    info.mode, info.mtime, info.size = mode, mtime, size
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")
