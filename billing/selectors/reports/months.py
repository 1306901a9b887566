"""Months of the seller's zone, and the moments at which they begin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo


def next_month(month: date) -> date:
    """The first day of the month after it."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def earlier(month: date, by: int) -> date:
    """The first day of the month so many before it."""
    number = month.year * 12 + month.month - 1 - by
    return date(number // 12, number % 12 + 1, 1)


@dataclass(frozen=True, slots=True)
class Months:
    """Whole months by the clock of a zone; ``first`` and ``last`` are first days of months."""

    first: date
    last: date
    zone: tzinfo

    @property
    def until(self) -> date:
        """The first day that is no longer in them."""
        return next_month(self.last)

    @property
    def begins_at(self) -> datetime:
        """Their first moment."""
        return datetime.combine(self.first, time(), tzinfo=self.zone)

    @property
    def ends_at(self) -> datetime:
        """The first moment after them."""
        return datetime.combine(self.until, time(), tzinfo=self.zone)

    def each(self) -> Iterator[date]:
        """Their first days, in order."""
        month = self.first
        while month <= self.last:
            yield month
            month = next_month(month)
