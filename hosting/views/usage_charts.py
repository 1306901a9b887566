"""What is charted of an instance: which quantities, over which spans, read from where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hosting.charts import units
from hosting.charts.geometry import Chart, Line, Point
from hosting.selectors.measuring import resources
from hosting.selectors.measuring.resources import Measure
from hosting.selectors.watching import health
from hosting.views.usage_windows import DAY, HOUR, WEEK, Window, bar_of, bars, used
from tenants.clocks import midnight

SUCCESS, FAILED = "Success", "Failed"  # the labels that the catalog gives executions
Reading = Callable[[Window], Chart]


def _resource(
    slug: str, title: str, unit: units.Unit, lines: Sequence[tuple[str, Measure]]
) -> Reading:
    def read(window: Window) -> Chart:
        found = [
            resources.series(
                window.instance, measure=measure, since=window.since, until=window.until
            )
            for _, measure in lines
        ]
        plan = window.instance.plan
        chart = Chart(
            slug=slug,
            title=title,
            unit=unit,
            kind="line",
            lines=[
                Line(label, [Point(each.at, each.value, each.max) for each in series.points])
                for (label, _), series in zip(lines, found, strict=True)
            ],
            since=window.since,
            until=window.until,
            step=found[0].step,
            zone=window.zone,
            limit=found[0].limit,
            limit_label=f"Plan {plan.name}",
        )
        return _closer(chart, window)

    return read


def _closer(chart: Chart, window: Window) -> Chart:
    """Of single readings in a longer span no more than the time they are of: it has just begun."""
    first = min((each.at for line in chart.lines for each in line.points), default=window.since)
    if chart.step or window.span.length == HOUR:
        return chart
    since = window.until - (HOUR if first >= window.until - HOUR else resources.RAW_UP_TO)
    note = f"Each reading since {first.astimezone(window.zone):%H:%M}: it is measured since then."
    return replace(chart, since=since, note=note)


def _metered(slug: str, title: str, names: Sequence[tuple[str, str]]) -> Reading:
    """Bars of what the app counted: by label where it is one meter, else a part for each meter."""

    def read(window: Window) -> Chart:
        wanted = [name for name, _ in names]
        parts: dict[str, dict[datetime, float]] = {}
        for each in used(window, wanted):
            word = dict(names)[each.meter]
            label = each.label.capitalize() if len(names) == 1 and each.label else word
            at = bar_of(each.begin, window, window.span.part)
            part = parts.setdefault(label, {})
            part[at] = part.get(at, 0.0) + float(each.value)
        shown = _beside_failures(dict(sorted(parts.items())))
        chart = bars(slug, title, units.COUNT, window, shown, step=window.span.part)
        lines = [replace(each, is_bad=each.label == FAILED) for each in chart.lines]
        return replace(chart, lines=lines)

    return read


def _beside_failures(
    parts: Mapping[str, Mapping[datetime, float]],
) -> Mapping[str, Mapping[datetime, float]]:
    """What failed above what succeeded, each always there where the other is: a part keeps its
    look when the first one fails, and no failure is a zero and not unknown.
    """
    if not {SUCCESS, FAILED} & parts.keys():
        return parts
    moments = {at for name in (SUCCESS, FAILED) for at in parts.get(name, ())}
    both = {
        name: {at: parts.get(name, {}).get(at, 0.0) for at in moments} for name in (SUCCESS, FAILED)
    }
    return both | {name: values for name, values in parts.items() if name not in both}


def _stretches(window: Window) -> dict[datetime, health.Stretch]:
    if window.span.bar >= DAY:
        read_days = health.weeks if window.span.bar == WEEK else health.days
        days = read_days(window.instance, since=window.first, until=window.after)
        return {midnight(each.day, window.zone): each.stretch for each in days}
    since = bar_of(window.since, window, window.span.bar)
    read = health.hours if window.span.bar == HOUR else health.slots
    return {
        each.start: each.stretch for each in read(window.instance, since=since, until=window.until)
    }


def _uptime(window: Window) -> Chart:
    stretches = _stretches(window)
    known = {
        at: float(stretch.uptime) for at, stretch in stretches.items() if stretch.uptime is not None
    }
    parts = {"Uptime": known} if known else {}
    chart = bars("uptime", "Uptime", units.PERCENT, window, parts, step=window.span.bar)
    overall = health.together(stretches.values())
    lines = [replace(line, overall=overall) for line in chart.lines]
    return replace(chart, lines=lines, most=100.0)


def _response(window: Window) -> Chart:
    stretches = _stretches(window)
    is_new = window.span.length > HOUR and all(
        at >= window.until - resources.RAW_UP_TO for at in stretches
    )
    looks = _looks(window) if is_new else None
    return looks if looks and not looks.is_empty else _responses(window, stretches)


def _looks(window: Window) -> Chart:
    """Each look of the last two hours, where there is nothing from before."""
    since = window.until - resources.RAW_UP_TO
    found = health.looks(window.instance, since=since, until=window.until)
    points = [Point(each.at, each.ms) for each in found if not each.excuse]
    chart = Chart(
        slug="response",
        title="Response time",
        unit=units.MILLISECONDS,
        kind="line",
        lines=[Line("Each look", points)],
        since=since,
        until=window.until,
        step=timedelta(),
        zone=window.zone,
    )
    return _closer(chart, window)


def _responses(window: Window, stretches: Mapping[datetime, health.Stretch]) -> Chart:
    lines: dict[str, list[Point]] = {"Average": [], "95th percentile": []}
    before: datetime | None = None
    for at, stretch in sorted(stretches.items()):
        if before is not None and at - before > window.span.bar * 1.5:
            for line in lines.values():
                line.append(Point(before + window.span.bar, None))
        response = stretch.response
        lines["Average"].append(Point(at, response.average if response else None))
        lines["95th percentile"].append(Point(at, response.p95 if response else None))
        before = at
    return Chart(
        slug="response",
        title="Response time",
        unit=units.MILLISECONDS,
        kind="line",
        lines=[Line(label, points) for label, points in lines.items()],
        since=window.since,
        until=window.until,
        step=window.span.bar,
        zone=window.zone,
    )


CHARTS: Mapping[str, tuple[str, Reading]] = {
    "cpu": ("CPU", _resource("cpu", "CPU", units.CORES, [("CPU", Measure.CPU)])),
    "memory": (
        "Memory",
        _resource("memory", "Memory", units.BYTES, [("Memory", Measure.MEMORY)]),
    ),
    "disk": ("Disk", _resource("disk", "Disk", units.BYTES, [("Volumes", Measure.DISK)])),
    "network": (
        "Network",
        _resource(
            "network",
            "Network",
            units.RATE,
            [("Received", Measure.NETWORK_RECEIVED), ("Sent", Measure.NETWORK_SENT)],
        ),
    ),
    "disk-io": (
        "Disk reads and writes",
        _resource(
            "disk-io",
            "Disk reads and writes",
            units.RATE,
            [("Read", Measure.DISK_READ), ("Written", Measure.DISK_WRITTEN)],
        ),
    ),
    "uptime": ("Uptime", _uptime),
    "response": ("Response time", _response),
    "executions": (
        "Executions",
        _metered("executions", "Executions", [("executions", "Executions")]),
    ),
    "tokens": (
        "LLM tokens",
        _metered(
            "tokens", "LLM tokens", [("llm_input", "Input tokens"), ("llm_output", "Output tokens")]
        ),
    ),
}
