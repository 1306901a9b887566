"""A chart as it is written into a page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from hosting.charts import units
from hosting.charts.geometry import Chart, Line, Point
from hosting.views.charting import show

DAY = timedelta(days=1)
UNTIL = datetime(2026, 11, 30, 12, tzinfo=UTC)


def _year() -> str:
    chart = Chart(
        slug="cpu",
        title="CPU",
        unit=units.CORES,
        kind="line",
        lines=[Line("CPU", [Point(UNTIL - DAY, 0.5), Point(UNTIL, 0.5)])],
        since=UNTIL - 365 * DAY,
        until=UNTIL,
        step=DAY,
        zone=UTC,
        limit=1.0,
        limit_label="Plan Small",
    )
    return str(show(chart).drawing)


def test_a_mark_at_the_edge_is_at_its_own_moment() -> None:
    """The 1st of December is half a day after the beginning of the year that is shown."""
    marks = re.findall(
        r'class="chart-mark chart-time([^"]*)" x="([0-9.]+)%" y="\d+[.]0">(\w+)<', _year()
    )
    (_, x, text), (_, after, _) = marks[:2]
    assert (text, float(x)) == ("Dec", 0.14)
    assert 8 < float(after) < 9


def test_the_limit_has_a_ground_of_its_own_so_that_it_is_seen_on_bars() -> None:
    drawn = _year()
    ground, line = drawn.index("chart-limit-ground"), drawn.index('"chart-limit"')
    assert ground < line
