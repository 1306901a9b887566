"""From a chart's values to shapes: lines that break at gaps, areas, bars, marks, the plan's limit.

Along, everything is in thousandths of the width, upwards in pixels: the drawing is as wide as the
page lets it be, and as high as it was before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from hosting.charts import scales
from hosting.charts.units import Unit

WIDTH = 1000.0
HEIGHT = 160.0
_MONTH = timedelta(days=28)  # the shortest
HEADROOM = 1.05  # a line at the top is not at the very edge


@dataclass(frozen=True, slots=True)
class Point:
    """A value from that moment on; None where nothing was measured. ``most`` is its peak."""

    at: datetime
    value: float | None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One quantity of a chart, oldest first.

    ``overall`` is what all of it comes to, where that is neither its newest value nor the sum: an
    uptime's. What went wrong looks so, whatever else is in the chart.
    """

    label: str
    points: Sequence[Point]
    overall: float | None = None
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """What is shown. ``step`` is how long a point stands for; zero where it is a moment.

    ``least`` is where the axis begins, for what is always near its top; ``limit`` is drawn in, and
    named beside its line, or in the legend where bars would lie under the words; ``note`` says
    under it what its values leave out.
    """

    slug: str
    title: str
    unit: Unit
    kind: Literal["line", "bars"]
    lines: Sequence[Line]
    since: datetime
    until: datetime
    step: timedelta
    zone: tzinfo
    limit: float | None = None
    limit_label: str = ""
    is_limit_in_legend: bool = False
    least: float = 0.0
    most: float | None = None
    note: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was measured at all."""
        return not any(point.value is not None for line in self.lines for point in line.points)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar, or a part of one that stands on others; ``index`` is the moment's."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A line as paths of SVG: itself, what lies under it, and single points between two gaps."""

    label: str
    path: str
    area: str
    dots: Sequence[tuple[float, float]]
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark of an axis: where, in thousandths or pixels, and what is written there."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything that is on the page, in places."""

    shapes: Sequence[Shape]
    times: Sequence[Mark]
    values: Sequence[Mark]
    limit: Mark | None


@dataclass(frozen=True, slots=True)
class _Frame:
    """From values to places."""

    since: datetime
    until: datetime
    least: float
    top: float

    def x(self, at: datetime) -> float:
        share = (at - self.since) / (self.until - self.since)
        return round(WIDTH * min(1.0, max(0.0, share)), 2)

    def y(self, value: float) -> float:
        share = (value - self.least) / (self.top - self.least)
        return round(HEIGHT * (1 - min(1.0, max(0.0, share))), 2)


def draw(chart: Chart) -> Drawing:
    """Where everything of the chart stands."""
    top, step = _axis(chart)
    frame = _Frame(chart.since, chart.until, chart.least, top)
    marks = [chart.least + step * n for n in range(int((top - chart.least) / step + 1e-9) + 1)]
    shapes = _bars(chart, frame) if chart.kind == "bars" else _lines(chart, frame)
    # A month's name stands under the middle of its bar; of shorter ones a mark is a moment.
    middle = chart.step / 2 if chart.step >= _MONTH else timedelta()
    limit = None
    if chart.limit is not None:
        said = f"{chart.limit_label}: {chart.unit.say(chart.limit)}"
        limit = Mark(frame.y(chart.limit), said)
    return Drawing(
        shapes=shapes,
        times=[
            Mark(frame.x(mark.at + middle), mark.text)
            for mark in scales.times(chart.since, chart.until, chart.zone)
        ],
        values=[Mark(frame.y(each), chart.unit.mark(each)) for each in marks],
        limit=limit,
    )


def _axis(chart: Chart) -> tuple[float, float]:
    """Its end and the distance of its marks: the limit is always on it."""
    if chart.most is not None:
        return chart.most, (chart.most - chart.least) / 4
    if chart.kind == "bars":
        highest = max(_sums(chart.lines).values(), default=0.0)
    else:
        highest = max(_values(chart.lines), default=0.0)
    wanted = max(highest, chart.limit or 0.0) * HEADROOM
    return scales.top(wanted, base=chart.unit.base)


def _values(lines: Iterable[Line]) -> Iterable[float]:
    return (each.value for line in lines for each in line.points if each.value is not None)


def _sums(lines: Iterable[Line]) -> dict[datetime, float]:
    """How high the bars of each moment are together."""
    sums: dict[datetime, float] = {}
    for line in lines:
        for each in line.points:
            sums[each.at] = sums.get(each.at, 0.0) + (each.value or 0.0)
    return sums


def _lines(chart: Chart, frame: _Frame) -> list[Shape]:
    half = chart.step / 2  # a point that stands for a while stands in its middle
    return [_line(line, frame, half, is_only=len(chart.lines) == 1) for line in chart.lines]


def _line(line: Line, frame: _Frame, half: timedelta, *, is_only: bool) -> Shape:
    stretches: list[list[tuple[float, float]]] = [[]]
    for point in line.points:
        if point.value is None:
            stretches.append([])
        else:
            middle = min(point.at + half, frame.until)
            stretches[-1].append((frame.x(middle), frame.y(point.value)))
    drawn = [each for each in stretches if len(each) > 1]
    return Shape(
        label=line.label,
        path=" ".join(_path(each) for each in drawn),
        area=" ".join(_area(each) for each in drawn) if is_only else "",
        dots=[each[0] for each in stretches if len(each) == 1],
        bars=(),
    )


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in places)


def _area(places: Sequence[tuple[float, float]]) -> str:
    return f"{_path(places)}L{places[-1][0]:g} {HEIGHT:g}L{places[0][0]:g} {HEIGHT:g}Z"


def _bars(chart: Chart, frame: _Frame) -> list[Shape]:
    """Parts of a whole stand on one another."""
    below: dict[datetime, float] = {}
    shapes: list[Shape] = []
    for line in chart.lines:
        bars: list[Bar] = []
        for point in line.points:
            if point.value is None or (point.value == 0 and len(chart.lines) > 1):
                continue  # a part of nothing would be seen as a line on the others
            under = below.get(point.at, chart.least)
            base = under if under > chart.least else 0.0
            below[point.at] = base + point.value
            bars.append(_bar(chart, frame, line, point, (base, base + point.value)))
        shapes.append(Shape(label=line.label, path="", area="", dots=(), bars=bars))
    return shapes


def _bar(
    chart: Chart, frame: _Frame, line: Line, point: Point, between: tuple[float, float]
) -> Bar:
    left, right = frame.x(point.at), frame.x(point.at + chart.step)
    low, high = frame.y(between[0]), frame.y(between[1])
    room = (right - left) * 0.8
    return Bar(
        x=round(left + (right - left - room) / 2, 2),
        y=high,
        width=round(room, 2),
        height=round(low - high, 2),
        title=f"{line.label}: {chart.unit.say(point.value or 0.0)}",
    )
