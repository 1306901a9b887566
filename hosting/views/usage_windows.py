"""The time that charts of an instance look at, and the bars that it falls into."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from hosting.charts import units
from hosting.charts.geometry import Chart, Line, Point
from hosting.models import Instance
from hosting.selectors.measuring import usage
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
    """Bars of that length, whose parts stand on one another in that order.

    The one that is not over has its whole place: after an hour of a day it could not be seen else.
    """
    end = window.until.astimezone(window.zone).date() if step >= DAY else window.until
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
        until=max(window.until, bar_of(end, window, step) + step),
        step=step,
        zone=window.zone,
    )
