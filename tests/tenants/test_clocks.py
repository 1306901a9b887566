"""The days of a client that moves: each moment lies in one of them, and the past stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants import clocks
from tenants.clocks import LEAD, Clock

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
ZONES = (
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "America/St_Johns",
    "Pacific/Pago_Pago",
    "America/Havana",  # where a midnight comes twice, and another never
    "Atlantic/Azores",
    "America/Santiago",
    "UTC",
)
# Clocks are changed somewhere among those on one of the days after each.
STARTS = [
    datetime(2026, month, day, tzinfo=UTC)
    for month, day in ((3, 7), (3, 28), (4, 3), (9, 4), (10, 24), (10, 31))
]
MOVES = st.lists(st.tuples(st.integers(0, 4 * 24 * 12), st.sampled_from(ZONES)), max_size=9)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def moved(clock: Clock, zone: str, at: str) -> Clock:
    found = clock.moved(zone, now=utc(at))
    assert found is not None
    return found


@given(st.sampled_from(STARTS), st.sampled_from(ZONES), MOVES)
def test_whoever_moves_when_days_are_a_partition_and_the_past_stays(
    start: datetime, zone: str, moves: Sequence[tuple[int, str]]
) -> None:
    clock = Clock.of(zone)
    for minutes, there in sorted(moves):
        now = start + minutes * timedelta(minutes=5)
        after = clock.moved(there, now=now)
        if after is None:
            assert _ahead(there, clock.hindmost(now=now), now) >= 23 * HOUR
            continue
        _agree(clock, after, now + LEAD)
        assert after.zone_on(clock.day_at(now + LEAD) + 2 * DAY) == there
        _is_a_partition(after, start)
        assert clocks.read(there, clocks.written(after)) == after
        clock = after


def _ahead(there: str, here: str, now: datetime) -> timedelta:
    offsets = [now.astimezone(ZoneInfo(each)).utcoffset() for each in (there, here)]
    return (offsets[0] or timedelta()) - (offsets[1] or timedelta())


def _agree(before: Clock, after: Clock, until: datetime) -> None:
    """On every day that has begun by then, and that it is not over."""
    for days in range(8):
        day = before.day_at(until) - days * DAY
        assert before.begin_of(day) == after.begin_of(day)
    assert before.day_at(until) == after.day_at(until)


def _is_a_partition(clock: Clock, start: datetime) -> None:
    days = [start.date() + n * DAY for n in range(-3, 30)]
    begins = [clock.begin_of(day) for day in days]
    for day, (begin, end) in zip(days, pairwise(begins), strict=False):
        assert begin < end
        for at in (begin, begin + (end - begin) / 2, end - timedelta(microseconds=1)):
            assert clock.day_at(at) == day
        assert clock.day_at(end) == day + DAY


@pytest.mark.parametrize(
    ("now", "zone", "first", "begins"),
    [
        ("2026-11-29 12:00", "Asia/Kathmandu", date(2026, 11, 30), "2026-11-29 18:15"),
        ("2026-11-29 12:00", "America/New_York", date(2026, 11, 30), "2026-11-30 05:00"),
        # Tomorrow has begun there, or does so within the hour.
        ("2026-11-29 18:15", "Asia/Kathmandu", date(2026, 12, 1), "2026-11-30 18:15"),
        ("2026-11-29 17:15", "Asia/Kathmandu", date(2026, 12, 1), "2026-11-30 18:15"),
        # Tomorrow begins here within the hour.
        ("2026-11-29 22:00", "America/New_York", date(2026, 12, 1), "2026-12-01 05:00"),
    ],
)
def test_a_move_counts_from_the_first_day_that_begins_later(
    now: str, zone: str, first: date, begins: str
) -> None:
    clock = moved(Clock.of("Europe/Berlin"), zone, now)
    assert clock.zones[1] == (first, zone)
    assert clock.begin_of(first) == utc(begins)
    assert clock.next_move(now=utc(now)) == first
    assert clock.next_move(now=utc(begins)) is None
    assert clock.zone_on(first - DAY) == "Europe/Berlin"


def test_the_day_before_a_move_is_shorter_or_longer() -> None:
    berlin, last = Clock.of("Europe/Berlin"), date(2026, 11, 29)
    east = moved(berlin, "Asia/Kathmandu", "2026-11-29 12:00")
    west = moved(berlin, "America/New_York", "2026-11-29 12:00")
    lengths = [each.begin_of(last + DAY) - each.begin_of(last) for each in (east, west)]
    assert lengths == [timedelta(hours=19, minutes=15), timedelta(hours=30)]


def test_the_later_move_of_a_day_takes_the_place_of_the_first() -> None:
    once = moved(Clock.of("Europe/Berlin"), "Asia/Kathmandu", "2026-11-29 12:00")
    twice = moved(once, "America/New_York", "2026-11-29 13:00")
    assert twice == moved(Clock.of("Europe/Berlin"), "America/New_York", "2026-11-29 13:00")
    assert moved(twice, "Europe/Berlin", "2026-11-29 14:00") == Clock.of("Europe/Berlin")


def test_a_move_is_kept_where_without_it_the_day_that_runs_would_be_over() -> None:
    """At 02:00 in Berlin the 29th still lasts, as the 30th is to begin in New York."""
    west = moved(Clock.of("Europe/Berlin"), "America/New_York", "2026-11-29 12:00")
    back = moved(west, "Europe/Berlin", "2026-11-30 01:00")
    assert back.zones == (*west.zones, (date(2026, 12, 1), "Europe/Berlin"))
    assert back.day_at(utc("2026-11-30 01:00")) == date(2026, 11, 29)


@pytest.mark.parametrize("now", ["2026-11-29 02:00", "2026-11-29 09:30", "2026-11-29 20:00"])
def test_a_zone_a_day_ahead_would_leave_out_a_day(now: str) -> None:
    for here in ("Pacific/Honolulu", "Pacific/Pago_Pago"):
        assert Clock.of(here).moved("Pacific/Kiritimati", now=utc(now)) is None
        assert Clock.of("Pacific/Kiritimati").moved(here, now=utc(now)) is not None


def test_a_zone_that_is_left_behind_by_a_day_is_not_come_back_to_on_that_day() -> None:
    """It is the 26th until the 27th begins in Pago Pago, when in Kiritimati the 28th has begun."""
    west = moved(Clock.of("Pacific/Kiritimati"), "Pacific/Pago_Pago", "2026-10-26 08:00")
    now = utc("2026-10-26 14:40")
    assert west.moved("Pacific/Kiritimati", now=now) is None
    assert west.hindmost(now=now) == "Pacific/Pago_Pago"


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 29), "Europe/Berlin", 23),
        (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 6, 1), "Europe/Berlin", 24),
        (date(2026, 11, 1), "America/Havana", 25),  # midnight comes twice: the first begins it
        (date(2026, 10, 25), "Atlantic/Azores", 25),
    ],
)
def test_days_are_as_long_as_clocks_make_them(day: date, zone: str, hours: int) -> None:
    clock = Clock.of(zone)
    assert clock.begin_of(day + DAY) - clock.begin_of(day) == hours * HOUR


@pytest.mark.parametrize(
    ("day", "zone", "at"),
    [
        (date(2026, 3, 1), "Europe/Berlin", "2026-02-28 23:00"),
        (date(2026, 4, 1), "Europe/Berlin", "2026-03-31 22:00"),
        (date(2026, 4, 1), "Asia/Kathmandu", "2026-03-31 18:15"),
        # Clocks go from 0:00 to 1:00 there: the day begins when they do.
        (date(2024, 9, 8), "America/Santiago", "2024-09-08 04:00"),
    ],
)
def test_a_day_begins_at_midnight(day: date, zone: str, at: str) -> None:
    assert clocks.midnight(day, ZoneInfo(zone)) == Clock.of(zone).begin_of(day) == utc(at)
    assert Clock.of(zone).day_at(utc(at)) == day
    assert Clock.of(zone).day_at(utc(at) - timedelta(seconds=1)) == day - DAY
