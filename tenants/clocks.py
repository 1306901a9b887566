"""By which time zone each day of a client is counted: pure rules, without a database.

A client that moves to another time zone keeps its days up to now as they were; a later day is the
first that begins by the new zone, and the one before it ends when that begins. So every moment lies
in exactly one day, and what was summed up or charged by day stays right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

# A move changes no day that begins before then: what apps report may be dated a little ahead, and
# whoever sums up just now may have read the clock before it was changed.
LEAD = timedelta(hours=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Clock:
    """The zones that days are counted by: each from a first day on, the first of them from ever."""

    zones: tuple[tuple[date, str], ...]

    @classmethod
    def of(cls, zone: str) -> Clock:
        """One that was never moved."""
        return cls(((date.min, zone),))

    def zone_on(self, day: date) -> str:
        """The zone by which that day begins."""
        return next(zone for first, zone in reversed(self.zones) if first <= day)

    def begin_of(self, day: date) -> datetime:
        """The moment in UTC at which the day begins, and the one before it ends."""
        return _begin(day, self.zone_on(day))

    def day_at(self, at: datetime) -> date:
        """The one day that the moment lies in."""
        day = at.astimezone(_zone(self.zones[-1][1])).date()
        while self.begin_of(day) > at:
            day -= _DAY
        while self.begin_of(day + _DAY) <= at:
            day += _DAY
        return day

    def moved(self, zone: str, *, now: datetime) -> Clock | None:
        """The clock with days by that zone as soon as can be, usually from tomorrow on.

        No day that begins up to ``LEAD`` from now is another one then, and none is left out. None
        where there is no such day within two: the zone is a day or more ahead of the present one.
        A move that has not begun is called off by the next.
        """
        soon = now + LEAD
        today = self.day_at(soon)
        for first in (today + _DAY, today + 2 * _DAY):
            for clock in self._with(zone, first, today):
                if clock._keeps(today, soon):
                    return clock
        return None

    def next_move(self, *, now: datetime) -> date | None:
        """The first day by another zone, where it has not begun."""
        first, _ = self.zones[-1]
        return first if first > date.min and self.begin_of(first) > now else None

    def hindmost(self, *, now: datetime) -> str:
        """Of the zones that count days from today on, the one in which it is earliest."""
        today = self.day_at(now)
        count = [self.zone_on(today), *(zone for first, zone in self.zones if first > today)]
        return min(count, key=lambda zone: now.astimezone(_zone(zone)).replace(tzinfo=None))

    def _with(self, zone: str, first: date, today: date) -> Iterator[Clock]:
        """By that zone from that day on, without what was to come before it; else with it."""
        for until in (today, first - _DAY):
            kept = tuple(each for each in self.zones if each[0] <= until)
            yield Clock(kept if kept[-1][1] == zone else (*kept, (first, zone)))

    def _keeps(self, today: date, soon: datetime) -> bool:
        """Whether today lasts until then at least, and each of the next days has some time."""
        begins = [self.begin_of(today + days * _DAY) for days in (1, 2, 3)]
        return begins[0] > soon and all(one < next_one for one, next_one in pairwise(begins))


def read(zone: str, zones: Sequence[Sequence[str]]) -> Clock:
    """What is stored of a client: its present zone, and first days with zones if it ever moved."""
    if not zones:
        return Clock.of(zone)
    return Clock(tuple((date.fromisoformat(first), name) for first, name in zones))


def written(clock: Clock) -> list[list[str]]:
    """The same to be stored of a client that moved, though it be back where it was."""
    return [[first.isoformat(), zone] for first, zone in clock.zones]


def midnight(day: date, zone: tzinfo) -> datetime:
    """The moment in UTC at which the day begins there.

    Where clocks are put forward at midnight that is the moment at which they are, and where they
    are put back the first of both midnights.
    """
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


@lru_cache(maxsize=16_384)
def _begin(day: date, zone: str) -> datetime:
    return midnight(day, _zone(zone))


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
