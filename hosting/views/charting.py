"""A chart as SVG, and the table behind it. No style of its own: the page's policy forbids it.

The drawing is as wide as its place; only what stretches with it is in a box of thousandths, so that
words keep their size on a phone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from hosting.charts import table
from hosting.charts.geometry import HEIGHT, WIDTH, Chart, Drawing, Line, Mark, Shape, draw

TOP = 20  # pixels above the plot, for the highest mark's words
FOOT = 24  # and under it, for the times
SHORT = 7  # letters of a value that need only a narrow margin


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row of the table: where it is in the drawing, when, and each line's words."""

    x: str
    when: str
    values: list[str]


@dataclass(frozen=True, slots=True)
class ShownChart:
    """A chart with everything that the template writes."""

    chart: Chart
    drawing: SafeString
    margin: Literal["short", "long"]
    legend: list[tuple[str, str, str]]
    limit: str
    limit_value: str
    rows: list[ShownRow]
    summary: str


def show(chart: Chart) -> ShownChart:
    """Drawn, with its legend (each with its newest value), and its rows newest last."""
    drawing = draw(chart)
    return ShownChart(
        chart=chart,
        drawing=_svg(chart, drawing),
        margin="short" if all(len(each.text) <= SHORT for each in drawing.values) else "long",
        legend=[(_look(chart, n), line.label, _told(chart, n)) for n, line in _lines(chart)],
        limit=drawing.limit.text if drawing.limit else "",
        limit_value=_limit_value(chart),
        rows=[_row(chart, row) for row in table.rows(chart)],
        summary=_summary(chart),
    )


def _lines(chart: Chart) -> Iterable[tuple[int, Line]]:
    return enumerate(chart.lines)


def _look(chart: Chart, number: int) -> str:
    """The name of its colour and its dashes or filling."""
    return "bad" if chart.lines[number].is_bad else str(number)


def _told(chart: Chart, number: int) -> str:
    """What the line comes to overall: where it does not say, its last value; of bars, the sum."""
    line = chart.lines[number]
    if line.overall is not None:
        return chart.unit.say(line.overall)
    values = [each.value for each in line.points if each.value is not None]
    if not values:
        return "–"
    is_total = chart.kind == "bars" and chart.most is None
    return chart.unit.say(sum(values) if is_total else values[-1])


def _limit_value(chart: Chart) -> str:
    """For the legend; empty where the limit is not named there."""
    if chart.limit is None or not chart.is_limit_in_legend:
        return ""
    return chart.unit.say(chart.limit)


def _summary(chart: Chart) -> str:
    """For readers, instead of the drawing."""
    parts = [f"{line.label} {_told(chart, n)}" for n, line in _lines(chart)]
    parts += [f"{chart.limit_label} {limit}"] if (limit := _limit_value(chart)) else []
    return f"{chart.title}: {', '.join(parts)}"


def _row(chart: Chart, row: table.Row) -> ShownRow:
    middle = row.at + chart.step / 2
    share = (middle - chart.since) / (chart.until - chart.since)
    return ShownRow(
        x=f"{100 * min(1.0, max(0.0, share)):.2f}",
        when=_when(chart, row.at),
        values=["–" if each is None else chart.unit.exactly(each) for each in row.values],
    )


def _when(chart: Chart, at: datetime) -> str:
    local = at.astimezone(chart.zone)
    if chart.step >= timedelta(days=28):
        return f"{local:%b %Y}"
    if chart.step >= timedelta(days=7):
        return f"Week of {local:%-d %b %Y}"
    if chart.step >= timedelta(days=1):
        return f"{local:%a %-d %b %Y}"
    return f"{local:%-d %b, %H:%M}" if chart.step else f"{local:%H:%M:%S}"


def _svg(chart: Chart, drawing: Drawing) -> SafeString:
    return format_html(
        '<svg class="chart-drawing" width="100%" height="{}" aria-hidden="true" focusable="false">'
        '{}<svg class="chart-plot" y="{}" width="100%" height="{}" viewBox="0 0 {} {}"'
        ' preserveAspectRatio="none">{}</svg>{}{}{}'
        '<line class="chart-cursor" x1="0" x2="0" y1="{}" y2="{}"></line></svg>',
        HEIGHT + TOP + FOOT,
        _join(_gridline(mark) for mark in drawing.values),
        TOP,
        HEIGHT,
        WIDTH,
        HEIGHT,
        _join(_shape(_look(chart, n), shape) for n, shape in enumerate(drawing.shapes)),
        _limit(drawing.limit, is_named=not chart.is_limit_in_legend),
        _join(_value(mark) for mark in drawing.values),
        _join(_time(n, mark, len(drawing.times)) for n, mark in enumerate(drawing.times)),
        TOP,
        TOP + HEIGHT,
    )


def _join(parts: Iterable[SafeString]) -> SafeString:
    return mark_safe("".join(parts))  # noqa: S308 - each of them is escaped


def _gridline(mark: Mark) -> SafeString:
    y = TOP + mark.place
    return format_html('<line class="chart-grid" x2="100%" y1="{}" y2="{}"></line>', y, y)


def _value(mark: Mark) -> SafeString:
    """In the margin before the plot, where no bar and no line can lie."""
    return format_html(
        '<text class="chart-mark chart-value" x="-8" y="{}">{}</text>',
        TOP + mark.place + 4,
        mark.text,
    )


def _time(number: int, mark: Mark, among: int) -> SafeString:
    """Every other one is left out where there is little room."""
    share = mark.place / WIDTH * 100
    css = " chart-spare" if among > 4 and number % 2 == 1 else ""
    css += " chart-ends" if share > 97 else ""  # there is a little less room than half of its words
    return format_html(
        '<text class="chart-mark chart-time{}" x="{}%" y="{}">{}</text>',
        css,
        f"{share:.2f}",
        TOP + HEIGHT + 18,
        mark.text,
    )


def _limit(mark: Mark | None, *, is_named: bool) -> SafeString:
    if mark is None:
        return SafeString("")
    y = TOP + mark.place
    line = format_html(
        '<line class="chart-limit-ground" x2="100%" y1="{}" y2="{}"></line>'
        '<line class="chart-limit" x2="100%" y1="{}" y2="{}"></line>',
        *(y, y, y, y),
    )
    if not is_named:
        return line
    return format_html(
        '{}<text class="chart-mark chart-limit-mark" x="100%" y="{}">{}</text>',
        line,
        y - 4 if y > TOP else y - 6,
        mark.text,
    )


def _shape(look: str, shape: Shape) -> SafeString:
    bars = format_html_join(
        "",
        '<rect class="chart-bar chart-series-{}" x="{}" y="{}" width="{}" height="{}">'
        "<title>{}</title></rect>",
        ((look, each.x, each.y, each.width, each.height, each.title) for each in shape.bars),
    )
    dots = format_html_join(
        "",
        '<path class="chart-dot chart-series-{}" d="M{} {}h0"></path>',
        ((look, f"{x:g}", f"{y:g}") for x, y in shape.dots),
    )
    return format_html(
        '<path class="chart-area chart-series-{}" d="{}"></path>'
        '<path class="chart-line chart-series-{}" d="{}"></path>{}{}',
        look,
        shape.area,
        look,
        shape.path,
        dots,
        bars,
    )
