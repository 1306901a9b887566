"""Looking at a tar while it streams by: is it whole, and what is its root.

It is passed on as it is. What Docker gives as an archive may end too early without any error: where
a file shrinks while it is read, everything after it is left out. So the two empty blocks at the end
are the only proof. Format: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from typing import Final

BLOCK: Final = 512
EXTENSION_LIMIT_BYTES = 1024 * 1024
_ENDS = 2  # empty blocks at the end
_EXTENSION = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_WITH_DATA = (
    *_EXTENSION,
    tarfile.XGLTYPE,
    tarfile.REGTYPE,
    tarfile.AREGTYPE,
    tarfile.CONTTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_MARKS = (*_EXTENSION, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_WITHOUT_DATA = (
    tarfile.DIRTYPE,
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.FIFOTYPE,
)


class NoTar(Exception):
    """The bytes are no tar, or one of a kind that nobody here makes."""


class TarWatch:
    """Walks along a tar that is given to it piece by piece."""

    def __init__(self) -> None:
        self.root: tarfile.TarInfo | None = None
        self.is_empty = True  # of anything but the root, and what a file system puts there itself
        self._block = bytearray()
        self._left = 0  # of an entry's data
        self._extension = bytearray()
        self._is_extension = False
        self._fields: dict[str, str] = {}  # said by the extension, about the entry after it
        self._ends = 0

    @property
    def is_whole(self) -> bool:
        """True once the end was seen."""
        return self._ends >= _ENDS

    def add(self, data: bytes) -> None:
        """Look at the next piece. Raises ``NoTar``."""
        rest = memoryview(data)
        while rest:
            if self._left:
                piece, rest = rest[: self._left], rest[self._left :]
                self._left -= len(piece)
                self._keep(piece)
                continue
            missing = BLOCK - len(self._block)
            self._block += rest[:missing]
            rest = rest[missing:]
            if len(self._block) == BLOCK:
                self._look(bytes(self._block))
                self._block.clear()

    def _keep(self, piece: memoryview) -> None:
        if not self._is_extension:
            return
        self._extension += piece
        if not self._left:
            self._fields = dict(_records(bytes(self._extension)))
            self._extension.clear()
            self._is_extension = False

    def _look(self, block: bytes) -> None:
        if not block.strip(b"\0"):
            self._ends += 1
            return
        if self._ends:
            raise NoTar("something follows after its end")
        try:
            entry = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise NoTar(f"a header is damaged: {error}") from error
        if entry.type not in _WITH_DATA and entry.type not in _WITHOUT_DATA:
            raise NoTar(f"it has an entry of the kind {entry.type!r}")
        if entry.type in _MARKS:
            self._begin_mark(entry)
        else:
            self._begin_entry(entry)

    def _begin_mark(self, entry: tarfile.TarInfo) -> None:
        self._left = _padded(entry.size)
        self._is_extension = entry.type in _EXTENSION
        if self._is_extension and entry.size > EXTENSION_LIMIT_BYTES:
            raise NoTar("what it says about an entry is too long")

    def _begin_entry(self, entry: tarfile.TarInfo) -> None:
        fields, self._fields = self._fields, {}
        try:
            entry.size = int(fields.get("size", entry.size))
            entry.uid, entry.gid = (
                int(fields.get(of, getattr(entry, of))) for of in ("uid", "gid")
            )
        except ValueError as error:
            raise NoTar("what it says about an entry is no number") from error
        if entry.type in _WITH_DATA:
            self._left = _padded(entry.size)
        name = fields.get("path", entry.name).removeprefix("./").rstrip("/")
        if name in ("", "."):
            self.root = self.root or entry
        elif name != "lost+found":
            self.is_empty = False


def watched(
    chunks: Iterable[bytes], watch: TarWatch, *, broken: Callable[[str], Exception]
) -> Iterator[bytes]:
    """Pass the chunks on; raise ``broken(why)`` where they turn out to be no whole tar.

    At the end at the latest, and before anybody can take the end for a good one.
    """
    for chunk in chunks:
        try:
            watch.add(chunk)
        except NoTar as error:
            raise broken(str(error)) from error
        yield chunk
    if not watch.is_whole:
        raise broken("it ends in the middle")


def of_root(root: tarfile.TarInfo, name: str) -> bytes:
    """A tar of nothing but a directory of that name with the owner, mode and time of the root."""
    folder = tarfile.TarInfo(name)
    folder.type = tarfile.DIRTYPE
    folder.mode, folder.uid, folder.gid = root.mode, root.uid, root.gid
    folder.mtime = root.mtime
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(folder)
    return buffer.getvalue()


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _records(extension: bytes) -> Iterator[tuple[str, str]]:
    """``<length> <key>=<value>`` and a line feed, again and again; padding ends it."""
    at = 0
    while at < len(extension) and extension[at]:
        digits, space, _ = extension[at : at + 20].partition(b" ")
        if not space or not digits.isdigit():
            raise NoTar("what it says about an entry is damaged")
        record = extension[at + len(digits) + 1 : at + int(digits)]
        key, sign, value = record.removesuffix(b"\n").partition(b"=")
        if not sign or not record.endswith(b"\n"):
            raise NoTar("what it says about an entry is damaged")
        yield key.decode(errors="surrogateescape"), value.decode(errors="surrogateescape")
        at += int(digits)
