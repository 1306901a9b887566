"""Files in a ZIP: PDFs, or e-invoices."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from typing import BinaryIO

# The first moment that ZIP knows: what was packed when says nothing, and would change the bytes.
_MADE_AT = (1980, 1, 1, 0, 0, 0)


def pack(out: BinaryIO, files: Iterable[tuple[str, bytes]]) -> None:
    """Write them in the order given, each with its name; the same files make the same bytes.

    Raises:
        ValueError: two have the same name, or one would leave the folder that it is unpacked in.
    """
    seen: set[str] = set()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            if name in seen:
                raise ValueError(f"Two files are called {name}.")
            if "/" in name or "\\" in name or name in ("", ".", ".."):
                raise ValueError(f"{name} is no name for a file in an archive.")
            seen.add(name)
            entry = zipfile.ZipInfo(name, _MADE_AT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
