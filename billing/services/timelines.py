"""On which plan something is from which day on, and whether in use: pure rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class Stage:
    """From that day on, until the next one. ``plan`` is as the caller knows it."""

    first: date
    plan: Any
    is_suspended: bool = False


def turned(
    stages: Sequence[Stage], day: date, *, plan: Any = None, is_suspended: bool | None = None
) -> list[Stage]:
    """The same, but from that day on on that plan, or out of use, or in use again.

    Stages are in order, and one at least; before the first of them nothing changes. Each turn is of
    all days to come, so that turns of both kinds may come in any order of days, and of those of
    one kind the last holds.
    """
    day = max(day, stages[0].first)
    before = [each for each in stages if each.first < day]
    after = [each for each in stages if each.first >= day]
    if not after or after[0].first > day:
        after.insert(0, replace(before[-1], first=day))
    changed = [
        replace(
            each,
            plan=each.plan if plan is None else plan,
            is_suspended=each.is_suspended if is_suspended is None else is_suspended,
        )
        for each in after
    ]
    return _told_once([*before, *changed])


def _told_once(stages: Sequence[Stage]) -> list[Stage]:
    """Without those that are as the one before."""
    found: list[Stage] = []
    for each in stages:
        if not found or replace(each, first=found[-1].first) != found[-1]:
            found.append(each)
    return found
