"""What did not hold, in lines that a report of many pages still shows."""

from __future__ import annotations

from collections.abc import Iterable

WRONG = "WRONG: "


def tell(faults: Iterable[str]) -> None:
    """Print each fault, in one line."""
    for each in faults:
        print(WRONG + " / ".join(each.splitlines()))


def told(report: str) -> list[str]:
    """The faults that a report tells of."""
    return [each for each in report.splitlines() if each.startswith(WRONG)]
