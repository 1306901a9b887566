"""The table behind a chart, and its file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hosting.charts import table, units
from hosting.charts.geometry import Chart, Line, Point

START = datetime(2026, 7, 1, 12, tzinfo=UTC)


def _chart(label: str) -> Chart:
    return Chart(
        slug="tokens",
        title="Tokens",
        unit=units.COUNT,
        kind="bars",
        lines=[
            Line(label, [Point(START, 1.5), Point(START + timedelta(hours=1), None)]),
            Line("other", [Point(START, 1e9)]),
        ],
        since=START,
        until=START + timedelta(hours=2),
        step=timedelta(hours=1),
        zone=ZoneInfo("Europe/Berlin"),
    )


def test_the_file_has_the_zones_clock_and_plain_numbers() -> None:
    assert table.as_csv(_chart("input")) == (
        "time,input,other\r\n"
        "2026-07-01T14:00:00+02:00,1.5,1000000000\r\n"
        "2026-07-01T15:00:00+02:00,,\r\n"
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start: str) -> None:
    assert table.harmless(f"{start}1+1").startswith("'")
    assert f"'{start}" in table.as_csv(_chart(f"{start}HYPERLINK(1)"))


@pytest.mark.parametrize("start", ["\n", "＝", "＋", "－", "＠", " =", "\u00a0=", "\x00="])
def test_neither_is_one_that_only_some_programs_take_for_a_formula(start: str) -> None:
    assert table.harmless(f"{start}1+1").startswith("'")
    assert table.harmless("gpt-4 = good") == "gpt-4 = good"


def test_a_line_that_lacks_a_moment_has_no_value_then() -> None:
    assert [row.values for row in table.rows(_chart("x"))] == [[1.5, 1e9], [None, None]]
