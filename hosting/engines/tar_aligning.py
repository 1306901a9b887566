"""Tars that deduplicate: a large file is cut into the same pieces wherever in the tar it lies.

restic begins a piece where the last 64 bytes give a certain number, and at 512 KiB at the earliest.
64 zeros give it always, and each page of a database has as many: so pieces of its files are all
512 KiB long, one after the other from wherever the first one began. Once a smaller file before a
table has grown by a page, all of the table would be cut elsewhere, and stored anew. What stands
before a large file here has no place to begin a piece at for 512 KiB, so that the next one begins
with that file, whatever came before. It compresses to nothing.
https://github.com/restic/chunker
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator

from hosting.engines.tar_moving import END, file, moved

FILLER = "berth-filler"
LARGE_BYTES = 1024 * 1024
_OF_FILLER = b"x" * (512 * 1024)  # restic's smallest piece


def aligned(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The tar with a filler before each large file. Raises ``tarfile.TarError`` as ``moved``."""
    yield from moved(chunks, str, before=_filler)
    yield END


def is_filler(name: str) -> bool:
    """Whether that entry of such a tar is none of what was put in."""
    return name.removeprefix("./") == FILLER


def _filler(entry: tarfile.TarInfo) -> bytes:
    is_large = entry.isreg() and entry.size >= LARGE_BYTES
    return file(FILLER, _OF_FILLER, owner=(entry.uid, entry.gid)) if is_large else b""
