"""Marks of axes: round, few, and right where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosting.charts import scales

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("most", "base", "expected"),
    [
        (0, 1000, (1.0, 0.5)),
        (0.9, 1000, (1.0, 0.2)),
        (7, 1000, (8.0, 2.0)),
        (1050, 1000, (1250.0, 250.0)),
        (512 * 1024**2 * 1.05, 1024, (640 * 1024**2, 128 * 1024**2)),
        (5 * 1024**3 * 1.05, 1024, (6 * 1024**3, 2 * 1024**3)),
        (float("nan"), 1000, (1.0, 0.5)),
    ],
)
def test_an_axis_ends_at_a_round_number(
    most: float, base: int, expected: tuple[float, float]
) -> None:
    assert scales.top(most, base=base) == pytest.approx(expected)


@given(st.floats(min_value=1e-6, max_value=1e15), st.sampled_from([1000, 1024]))
def test_an_axis_holds_everything_and_has_few_marks(most: float, base: int) -> None:
    top, step = scales.top(most, base=base)
    assert top >= most * 0.999999
    assert 1 <= round(top / step) <= 9
    assert top <= most * 10 or top <= 1


def test_a_day_is_marked_by_the_clock_of_the_zone() -> None:
    since = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
    marks = scales.times(since, since + timedelta(days=1), BERLIN)
    assert [mark.text for mark in marks] == ["16:00", "20:00", "00:00", "04:00", "08:00", "12:00"]


def test_the_hour_that_a_day_lacks_is_left_out() -> None:
    since = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # 01:30; at 02:00 it is 03:00
    marks = scales.times(since, since + timedelta(hours=2), BERLIN)
    assert "02:15" not in [mark.text for mark in marks]
    assert [mark.text for mark in marks][:3] == ["01:30", "01:45", "03:00"]


def test_days_stay_at_midnight_where_the_clock_changes() -> None:
    since = datetime(2026, 10, 22, 22, tzinfo=UTC)
    marks = scales.times(since, since + timedelta(days=7), BERLIN)
    assert all(mark.at.astimezone(BERLIN).hour == 0 for mark in marks)
    assert [mark.text for mark in marks][:4] == ["Fri 23", "Sat 24", "Sun 25", "Mon 26"]


def test_a_month_is_marked_by_weeks_and_a_year_by_months() -> None:
    since = datetime(2026, 1, 15, tzinfo=UTC)
    weeks = scales.times(since, since + timedelta(days=30), BERLIN)
    assert [mark.text for mark in weeks] == ["19 Jan", "26 Jan", "2 Feb", "9 Feb"]
    months = scales.times(since, since + timedelta(days=365), BERLIN)
    assert [mark.text for mark in months][:3] == ["Feb", "Mar", "Apr"]
    assert len(months) == 12


@given(
    st.datetimes(
        min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis wants naive ones
        max_value=datetime(2037, 1, 1),  # noqa: DTZ001
    ),
    st.sampled_from([1, 24, 168, 720, 8760]),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Santiago"]),
)
def test_there_are_never_too_many_marks(naive: datetime, hours: int, zone: str) -> None:
    since = naive.replace(tzinfo=UTC)
    until = since + timedelta(hours=hours)
    marks = scales.times(since, until, ZoneInfo(zone))
    assert 3 <= len(marks) <= 13
    assert all(since <= mark.at <= until for mark in marks)
    assert [mark.at.timestamp() for mark in marks] == sorted({m.at.timestamp() for m in marks})
