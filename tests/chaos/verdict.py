"""What did not hold, in lines that a report of many pages still shows."""

from __future__ import annotations

from collections.abc import Iterable

WRONG = "WRONG: "


def tell(faults: Iterable[str]) -> list[str]:
    """Print each fault in one line, as soon as it is found; all of them.

    Whatever is raised while the next one is looked for, those before have been told.
    """
    told_now = []
    for each in faults:
        print(WRONG + " / ".join(each.splitlines()), flush=True)
        told_now.append(each)
    return told_now


def told(report: str) -> list[str]:
    """The faults that a report tells of."""
    return [each for each in report.splitlines() if each.startswith(WRONG)]
