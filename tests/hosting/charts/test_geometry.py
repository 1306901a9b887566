"""Where lines, gaps, bars and limits stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from hosting.charts import units
from hosting.charts.geometry import HEIGHT, WIDTH, Chart, Line, Point, draw

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def _chart(*lines: Sequence[float | None]) -> Chart:
    return Chart(
        slug="cpu",
        title="CPU",
        unit=units.CORES,
        kind="line",
        lines=[
            Line(
                f"line {n}", [Point(START + QUARTER * at, value) for at, value in enumerate(values)]
            )
            for n, values in enumerate(lines)
        ],
        since=START,
        until=START + timedelta(hours=1),
        step=QUARTER,
        zone=UTC,
    )


def test_a_line_goes_through_the_middle_of_what_its_points_stand_for() -> None:
    (shape,) = draw(_chart([0, 4, 4, 0])).shapes
    assert shape.path == "M125 160L375 32L625 32L875 160"
    assert shape.area == f"{shape.path}L875 160L125 160Z"


def test_a_line_breaks_where_nothing_was_measured() -> None:
    (shape,) = draw(_chart([4, 4, None, 4])).shapes
    assert shape.path.count("M") == 1
    assert [x for x, _ in shape.dots] == [875.0]  # alone between gap and end, and still seen


def test_the_limit_is_on_the_axis_however_little_is_used() -> None:
    chart = replace(_chart([0.1, 0.1, 0.1, 0.1]), limit=2.0, limit_label="Plan Small")
    drawing = draw(chart)
    assert drawing.limit is not None
    assert 0 < drawing.limit.place < HEIGHT / 2
    assert drawing.limit.text == "Plan Small: 2 cores"


def test_what_is_above_the_limit_is_on_the_axis_too() -> None:
    drawing = draw(replace(_chart([5, 5, 5, 5]), limit=2.0))
    assert min(float(each.split()[1]) for each in drawing.shapes[0].path[1:].split("L")) > 0


def test_parts_of_bars_stand_on_one_another() -> None:
    first, second = draw(replace(_chart([1, 2], [1, 2]), kind="bars")).shapes
    for lower, upper in zip(first.bars, second.bars, strict=True):
        assert upper.y + upper.height == lower.y
        assert lower.y + lower.height == HEIGHT
    assert first.bars[0].title == "line 0: 1 core"


def test_a_part_of_nothing_is_no_line_on_the_others() -> None:
    bars = replace(_chart([3, 4], [0, 1]), kind="bars")
    assert [len(shape.bars) for shape in draw(bars).shapes] == [2, 1]
    alone = replace(_chart([3, 0]), kind="bars")
    assert len(draw(alone).shapes[0].bars) == 2  # 0 % is something else than unknown


def test_an_empty_chart_has_axes_and_no_shapes() -> None:
    chart = _chart([None, None])
    assert chart.is_empty
    drawing = draw(chart)
    assert drawing.shapes[0].path == ""
    assert len(drawing.values) == 3


_VALUES = st.lists(st.none() | st.floats(min_value=0, max_value=1e14), min_size=1, max_size=8)


@given(_VALUES, _VALUES, st.booleans(), st.none() | st.floats(0, 1e14))
def test_nothing_is_ever_drawn_outside(
    one: list[float | None], two: list[float | None], is_bars: bool, limit: float | None
) -> None:
    kind: Literal["line", "bars"] = "bars" if is_bars else "line"
    drawing = draw(replace(_chart(one, two), kind=kind, limit=limit))
    for shape in drawing.shapes:
        for bar in shape.bars:
            assert 0 <= bar.x <= bar.x + bar.width <= WIDTH + 0.02
            assert -0.02 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.02
        for x, y in shape.dots:
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT
    assert "nan" not in repr(drawing)
