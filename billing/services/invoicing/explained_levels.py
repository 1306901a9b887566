"""What levels come to that were reported now and then, each holding until the next one.

From the reports themselves, as ``hosting.selectors.measuring.usage_stretches`` has it from the sums
of days: so that the one can be held against the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from billing.currencies import divided
from hosting.selectors.measuring import usage_stretches
from hosting.selectors.measuring.usage_stretches import Stretch
from tenants.clocks import Clock

Level = tuple[datetime, Decimal]
_DAY = timedelta(days=1)
_NOTHING = Decimal(0)


def total(kind: str, levels: Sequence[Level], stretch: Stretch, *, clock: Clock) -> Decimal:
    """Of ``latest`` the last one by the share of the days, else the average of the days.

    ``levels`` are in order, and the one that held before the first day is among them.
    """
    if kind == "latest":
        end = max(end for _, end in stretch.spans)
        before = clock.begin_of(end)
        held = [level for at, level in levels if at < before]
        return usage_stretches.shared(held[-1] if held else _NOTHING, stretch)
    days = (day for first, end in stretch.spans for day in _days(first, end))
    return usage_stretches.averaged((_mean(levels, day, clock) for day in days), stretch)


def _mean(levels: Sequence[Level], day: date, clock: Clock) -> Decimal:
    """Over the time of the day at which a level was known; before the first one it is none."""
    begin, end = clock.begin_of(day), clock.begin_of(day + _DAY)
    before = [level for at, level in levels if at < begin]
    inside = [(at.astimezone(UTC), level) for at, level in levels if begin <= at < end]
    if not inside:
        return before[-1] if before else _NOTHING
    held = [*([(begin, before[-1])] if before else ()), *inside, (end, _NOTHING)]
    seconds = [(_seconds(until - at), level) for (at, level), (until, _) in pairwise(held)]
    product = sum((known * level for known, level in seconds), _NOTHING)
    return divided(product, Decimal(1), sum((known for known, _ in seconds), _NOTHING), 6)


def _seconds(length: timedelta) -> Decimal:
    return Decimal(length // timedelta(microseconds=1)) / 1_000_000


def _days(first: date, end: date) -> Iterator[date]:
    while first < end:
        yield first
        first += _DAY
