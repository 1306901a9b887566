from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.services import periods
from billing.services.periods import Anchor, Days, Interval

DATES = st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 12, 31))


@pytest.mark.parametrize(
    ("anchor", "interval", "begins"),
    [
        (date(2025, 1, 31), "month", ["2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30"]),
        (date(2024, 1, 30), "month", ["2024-01-30", "2024-02-29", "2024-03-30", "2024-04-30"]),
        (date(2025, 11, 30), "quarter", ["2025-11-30", "2026-02-28", "2026-05-30", "2026-08-30"]),
        (date(2024, 2, 29), "year", ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28"]),
        (date(2024, 12, 1), "month", ["2024-12-01", "2025-01-01", "2025-02-01", "2025-03-01"]),
    ],
)
def test_periods_are_counted_from_the_original_anchor(
    anchor: date, interval: str, begins: list[str]
) -> None:
    found = [periods.begin_of(n, anchor=anchor, interval=Interval(interval)) for n in range(4)]
    assert [str(each) for each in found] == begins


def test_a_leap_day_comes_back_after_four_years() -> None:
    anchor = date(2024, 2, 29)
    assert periods.begin_of(4, anchor=anchor, interval=Interval.YEAR) == date(2028, 2, 29)


@pytest.mark.parametrize(
    ("kind", "interval", "anchor"),
    [
        ("calendar", "month", date(2026, 8, 1)),
        ("calendar", "quarter", date(2026, 7, 1)),
        ("calendar", "year", date(2026, 1, 1)),
        ("anniversary", "quarter", date(2026, 8, 17)),
    ],
)
def test_the_anchor_is_the_calendars_or_the_first_day(
    kind: str, interval: str, anchor: date
) -> None:
    found = periods.anchor_of(Anchor(kind), interval=Interval(interval), first=date(2026, 8, 17))
    assert found == anchor


def test_a_moment_lies_in_a_day_of_the_zone() -> None:
    at = datetime(2026, 3, 31, 18, 15, tzinfo=UTC)
    kathmandu = ZoneInfo("Asia/Kathmandu")
    assert periods.day_at(at, kathmandu) == date(2026, 4, 1)
    assert periods.day_at(at - timedelta(seconds=1), kathmandu) == date(2026, 3, 31)


@given(anchor=DATES, day=DATES, interval=st.sampled_from(Interval))
def test_every_day_lies_in_one_period(anchor: date, day: date, interval: Interval) -> None:
    period = periods.period_at(day, anchor=anchor, interval=interval)
    assert period.first <= day < period.end
    assert periods.period_at(period.first, anchor=anchor, interval=interval) == period
    after = periods.period_at(period.end, anchor=anchor, interval=interval)
    assert after.first == period.end
    before = periods.period_at(period.first - timedelta(days=1), anchor=anchor, interval=interval)
    assert before.end == period.first


def test_a_period_has_a_day() -> None:
    with pytest.raises(ValueError, match="can't end before"):
        Days(date(2026, 1, 1), date(2026, 1, 1))


@pytest.mark.parametrize(
    ("until", "ends"),
    [
        (date(2026, 2, 28), ["2026-02-10"]),
        (date(2026, 3, 9), ["2026-02-10"]),
        (date(2026, 3, 10), ["2026-02-10", "2026-03-10"]),
    ],
)
def test_what_has_ended_is_told_in_order(until: date, ends: list[str]) -> None:
    found = periods.periods_until(
        until, since=date(2026, 1, 10), anchor=date(2026, 1, 10), interval=Interval.MONTH
    )
    assert [str(each.end) for each in found] == ends
