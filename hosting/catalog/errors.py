"""What is wrong with a catalog file, in one sentence with the file and the line."""

from __future__ import annotations

from pathlib import Path


class CatalogError(Exception):
    """A catalog that cannot be used; ``str()`` is the whole sentence for a person.

    ``line`` counts from 1; it is None where the fault is in no single line.
    """

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        where = path.name if line is None else f"{path.name}:{line}"
        super().__init__(f"{where}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


class BuildError(Exception):
    """An app that cannot be built with the values given; ``str()`` is one sentence."""
