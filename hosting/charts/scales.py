"""Where the marks of an axis stand: round numbers upwards, round moments along."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
# The longest span for which marks stand so far apart.
_STEPS = (
    (timedelta(hours=2), timedelta(minutes=15)),
    (timedelta(hours=13), 2 * _HOUR),
    (timedelta(hours=36), 4 * _HOUR),
    (timedelta(days=10), _DAY),
    (timedelta(days=40), 7 * _DAY),
)


@dataclass(frozen=True, slots=True)
class TimeMark:
    """A mark on the axis of time, and what is written there."""

    at: datetime
    text: str


def top(most: float, *, base: int = 1000) -> tuple[float, float]:
    """The end of an axis that begins at zero, and the distance of its marks: at most six of them.

    Round in the unit that is shown: 512 MB, and not 500 MB, where the base is 1024.
    """
    if not math.isfinite(most) or most < 1e-9:
        return 1.0, 0.5
    power = float(base) ** max(0, math.floor(math.log(most, base)))
    small = most / power
    decade = 10.0 ** math.floor(math.log10(small))
    steps: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 2.5, 5.0)
    if base == 1024 and small >= 100:  # in powers of two, from 128 MB on
        decade, steps = 64.0, (0.5, 1.0, 2.0, 4.0)
    step = next((each * decade for each in steps if small / (each * decade) <= 5), 5 * decade)
    return math.ceil(small / step - 1e-9) * step * power, step * power


def times(since: datetime, until: datetime, zone: tzinfo) -> list[TimeMark]:
    """Round moments by the clock of that zone, whatever its offset and its changes of clock."""
    span = until - since
    for longest, step in _STEPS:
        if span <= longest:
            return _every(step, since, until, zone)
    return _months(since, until, zone)


def _every(step: timedelta, since: datetime, until: datetime, zone: tzinfo) -> list[TimeMark]:
    local = since.astimezone(zone)
    wall = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if step >= 7 * _DAY:
        wall -= timedelta(days=wall.weekday())
    written = "%H:%M" if step < _DAY else "%a %-d" if step < 7 * _DAY else "%-d %b"
    return _walk(wall, step, since, until, zone, written)


def _walk(
    wall: datetime,
    step: timedelta,
    since: datetime,
    until: datetime,
    zone: tzinfo,
    written: str,
) -> list[TimeMark]:
    """Along the clock on the wall: an hour that a day lacks is left out, and none comes twice."""
    marks: list[TimeMark] = []
    while True:
        at = wall.replace(tzinfo=zone)
        if at >= until:
            return marks
        is_there = at.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall
        if at >= since and is_there:
            marks.append(TimeMark(at, at.strftime(written)))
        wall += step


def _months(since: datetime, until: datetime, zone: tzinfo) -> list[TimeMark]:
    at = since.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    marks: list[TimeMark] = []
    while at < until:
        if at >= since:
            marks.append(TimeMark(at, at.strftime("%b")))
        at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
    return marks
