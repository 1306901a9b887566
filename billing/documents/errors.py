"""What is wrong with an invoice that can't be written so."""

from __future__ import annotations

from collections.abc import Sequence


class Faulty(Exception):
    """An invoice or credit note that a file can't hold, with a sentence for each reason."""

    def __init__(self, number: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"{number}: {' '.join(self.faults)}")


class Unfit(Exception):
    """A finished file that the program it is for would not take: a sentence for each fault."""

    def __init__(self, form: str, faults: Sequence[str]) -> None:
        super().__init__(f"The file does not fit the format of {form}: {' '.join(faults)}")
        self.faults = tuple(faults)
