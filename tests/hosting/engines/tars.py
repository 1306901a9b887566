"""Tars as volumes are read and written, made and looked into."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from typing import Any

MTIME = 1_000_000_000


def folder(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return _entry(name, b"", type=tarfile.DIRTYPE, **({"mode": 0o755} | fields))


def file(name: str, content: bytes, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return _entry(name, content, **fields)


def link(name: str, to: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A symbolic link."""
    return _entry(name, b"", type=tarfile.SYMTYPE, linkname=to, **({"mode": 0o777} | fields))


def _entry(name: str, content: bytes, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(content), MTIME
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry, content


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Without the padding after its end, as Docker makes them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as made:
        for entry, content in entries:
            made.addfile(entry, io.BytesIO(content))
        size = made.offset
    return buffer.getvalue()[:size] + bytes(1024)


def shown(read: Iterable[bytes]) -> dict[str, tuple[object, ...]]:
    """What a tar says of each entry, and the content of files."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(read))) as opened:
        return {
            each.name: (
                each.type,
                oct(each.mode & 0o7777),  # Docker adds the kind of file
                each.uid,
                each.gid,
                int(each.mtime),
                each.linkname,
                _content(opened, each),
            )
            for each in opened
        }


def _content(opened: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    found = opened.extractfile(entry) if entry.isreg() else None
    return found.read() if found else b""


SOME = tar(
    folder("./", mode=0o700, uid=999, gid=998),
    folder("./a", uid=1000, gid=1000),
    file("./a/ä long name that fits into no header " + "x" * 150, b"1", mode=0o600, uid=1000),
    file("./a/big", bytes(range(256)) * 2000, mode=0o4755, uid=70_000, gid=3_000_000),
    folder("./empty", mode=0o1777),
    link("./link", "a/big"),
    file("./nothing", b""),
)
