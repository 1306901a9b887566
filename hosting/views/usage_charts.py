"""What is charted of an instance: which quantities, over which spans, read from where."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo

from hosting.charts import units
from hosting.charts.geometry import Chart, Line, Point
from hosting.models import Instance
from hosting.selectors.measuring import resources, usage
from hosting.selectors.measuring.resources import Measure
from hosting.selectors.watching import health
from tenants.clocks import midnight

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Span:
    """For how long back, and how long a bar of it stands for.

    ``part`` is that of bars whose parts have to be told apart: wide enough for it on a phone.
    """

    slug: str
    label: str
    length: timedelta
    bar: timedelta
    part: timedelta


SPANS: Mapping[str, Span] = {
    each.slug: each
    for each in (
        Span("hour", "Hour", HOUR, QUARTER, QUARTER),
        Span("day", "Day", DAY, QUARTER, HOUR),
        Span("week", "Week", WEEK, HOUR, 6 * HOUR),
        Span("month", "Month", 30 * DAY, DAY, DAY),
        Span("year", "Year", 365 * DAY, WEEK, WEEK),
    )
}


@dataclass(frozen=True, slots=True)
class Window:
    """An instance, and the time that is looked at, by the clock of its client."""

    instance: Instance
    span: Span
    since: datetime
    until: datetime
    zone: tzinfo

    @classmethod
    def until_now(cls, instance: Instance, span: Span, now: datetime) -> Window:
        """Up to that moment; days and weeks are whole ones, the present one the last."""
        zone = zoneinfo.ZoneInfo(instance.client.timezone)
        if span.bar < DAY:
            return cls(instance, span, now - span.length, now, zone)
        first = (now - span.length + DAY).astimezone(zone).date()
        if span.bar == WEEK:
            first -= timedelta(days=first.weekday())
        # The day that runs is shown though by the new clock it may begin later, after a move.
        today = midnight(instance.client.clock.day_at(now), zone)
        until = max(now, today + timedelta(seconds=1))
        return cls(instance, span, midnight(first, zone), until, zone)

    @property
    def first(self) -> date:
        """The first day of it."""
        return self.since.astimezone(self.zone).date()

    @property
    def after(self) -> date:
        """The day after the last of it."""
        return self.until.astimezone(self.zone).date() + DAY


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
        shown = dict(sorted(parts.items()))
        return bars(slug, title, units.COUNT, window, shown, step=window.span.part)

    return read


def used(window: Window, names: Sequence[str]) -> Iterable[usage.Used]:
    """What the app counted in that time: by day where its bars are days or longer."""
    if window.span.bar >= DAY:
        return usage.days(window.instance, since=window.first, until=window.after, names=names)
    since = bar_of(window.since, window, window.span.part)
    return usage.quarters(window.instance, since=since, until=window.until, names=names)


def bar_of(begin: datetime | date, window: Window, bar: timedelta) -> datetime:
    """When the bar of that length begins that this belongs to; weeks begin on Mondays."""
    if not isinstance(begin, datetime):
        first = begin - timedelta(days=begin.weekday()) if bar == WEEK else begin
        return midnight(first, window.zone)
    if bar <= HOUR:
        seconds = bar.total_seconds()
        return datetime.fromtimestamp(begin.timestamp() // seconds * seconds, tz=UTC)
    local = begin.astimezone(window.zone)
    hour = local.hour // (bar // HOUR) * (bar // HOUR)
    return local.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def bars(
    slug: str,
    title: str,
    unit: units.Unit,
    window: Window,
    parts: Mapping[str, Mapping[datetime, float]],
    *,
    step: timedelta,
) -> Chart:
    """Bars of that length, whose parts stand on one another in that order."""
    return Chart(
        slug=slug,
        title=title,
        unit=unit,
        kind="bars",
        lines=[
            Line(label, [Point(at, value) for at, value in sorted(values.items())])
            for label, values in parts.items()
        ],
        since=bar_of(window.since, window, step) if step < DAY else window.since,
        until=window.until,
        step=step,
        zone=window.zone,
    )


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
    known = {
        at: float(stretch.uptime)
        for at, stretch in _stretches(window).items()
        if stretch.uptime is not None
    }
    parts = {"Uptime": known} if known else {}
    chart = bars("uptime", "Uptime", units.PERCENT, window, parts, step=window.span.bar)
    return replace(chart, most=100.0)


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
