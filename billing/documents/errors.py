"""What is wrong with a document that is refused."""

from __future__ import annotations

from collections.abc import Sequence


class Faulty(Exception):
    """A document that may not leave, with a sentence for each of its faults."""

    def __init__(self, number: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"{number} can't be issued as a document: {' '.join(self.faults)}")
