"""When periods begin and end: pure rules, with no clock and no database.

Periods are half-open, and cut at midnight by the client's clock. Each is counted from the original
anchor and never from the period before, so that 31 January is followed by 28 February and 31 March.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from enum import StrEnum


class Interval(StrEnum):
    """How long a period is."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


MONTHS = {Interval.MONTH: 1, Interval.QUARTER: 3, Interval.YEAR: 12}


class Anchor(StrEnum):
    """What periods are counted from."""

    CALENDAR = "calendar"
    ANNIVERSARY = "anniversary"


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days from ``first`` on, before ``end``."""

    first: date
    end: date

    def __post_init__(self) -> None:
        """A span has a day at least."""
        if self.end <= self.first:
            raise ValueError(f"A period that begins on {self.first} can't end before {self.end}.")

    @property
    def count(self) -> int:
        """How many days."""
        return (self.end - self.first).days

    def within(self, other: Days) -> Days | None:
        """What both have in common."""
        first, end = max(self.first, other.first), min(self.end, other.end)
        return Days(first, end) if first < end else None


def anchor_of(kind: Anchor, *, interval: Interval, first: date) -> date:
    """What the periods of something are counted from that began on that day.

    By the calendar that is the first day of the month, quarter or year that the day lies in.
    """
    if kind == Anchor.ANNIVERSARY:
        return first
    months = MONTHS[interval]
    return date(first.year, (first.month - 1) // months * months + 1, 1)


def begin_of(number: int, *, anchor: date, interval: Interval) -> date:
    """The first day of the period with that number; the one of the anchor has the number 0."""
    month = anchor.year * 12 + anchor.month - 1 + number * MONTHS[interval]
    year, month = divmod(month, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(anchor.day, last))


def period_at(day: date, *, anchor: date, interval: Interval) -> Days:
    """The whole period that the day lies in."""
    months = (day.year - anchor.year) * 12 + day.month - anchor.month
    number = months // MONTHS[interval]
    if begin_of(number, anchor=anchor, interval=interval) > day:
        number -= 1
    return Days(
        begin_of(number, anchor=anchor, interval=interval),
        begin_of(number + 1, anchor=anchor, interval=interval),
    )


def periods_until(day: date, *, since: date, anchor: date, interval: Interval) -> Iterator[Days]:
    """The periods that have ended by that day, from the one of ``since`` on, in order."""
    period = period_at(since, anchor=anchor, interval=interval)
    while period.end <= day:
        yield period
        period = period_at(period.end, anchor=anchor, interval=interval)


def day_at(at: datetime, zone: tzinfo) -> date:
    """The day that it is there at that moment."""
    return at.astimezone(zone).date()
