"""The days and months that moments lie in, by the clocks of instances' clients."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from hosting.models import Instance
from tenants import clocks
from tenants.clocks import Clock

Moments = Collection[tuple[uuid.UUID, datetime]]
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Spans:
    """Instance, first day, begin and end of each: in lists, as SQL takes arrays of them.

    ``zones`` has the one by which each begins. None is in it twice.
    """

    instances: list[uuid.UUID] = field(default_factory=list)
    dates: list[date] = field(default_factory=list)
    begins: list[datetime] = field(default_factory=list)
    ends: list[datetime] = field(default_factory=list)
    zones: list[str] = field(default_factory=list)

    @property
    def values(self) -> dict[str, Any]:
        """By name, as parameters."""
        return {
            "instances": self.instances,
            "dates": self.dates,
            "begins": self.begins,
            "ends": self.ends,
            "zones": self.zones,
        }


def clocks_of(instances: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Clock]:
    """The clock of each instance's client. One query."""
    rows = Instance.objects.filter(pk__in=instances).order_by()
    known: dict[str, Clock] = {}
    found = {}
    for pk, zone, zones in rows.values_list("pk", "client__timezone", "client__zones"):
        key = f"{zone} {zones}"
        if key not in known:
            known[key] = clocks.read(zone, zones)
        found[pk] = known[key]
    return found


def days(moments: Moments, of: Mapping[uuid.UUID, Clock]) -> Spans:
    """The days that the moments of these instances lie in."""
    return _spans(moments, of, first=lambda day: day, after=lambda day: day + _DAY)


def months(moments: Moments, of: Mapping[uuid.UUID, Clock]) -> Spans:
    """The months, of whole days."""
    return _spans(moments, of, first=lambda day: day.replace(day=1), after=_next_month)


def _spans(
    moments: Moments,
    of: Mapping[uuid.UUID, Clock],
    *,
    first: Callable[[date], date],
    after: Callable[[date], date],
) -> Spans:
    """Most instances are of few zones, and most moments of few quarters: each is looked up once."""
    day_at: dict[tuple[Clock, datetime], date] = {}
    found: dict[tuple[uuid.UUID, date], Clock] = {}
    for instance, at in moments:
        clock = of.get(instance)
        if clock is None:
            continue
        day = day_at.get((clock, at))
        if day is None:
            day = day_at[clock, at] = first(clock.day_at(at))
        found[instance, day] = clock
    return _listed(found, after)


def _listed(found: Mapping[tuple[uuid.UUID, date], Clock], after: Callable[[date], date]) -> Spans:
    spans = Spans()
    for instance, day in sorted(found):
        clock = found[instance, day]
        spans.instances.append(instance)
        spans.dates.append(day)
        spans.begins.append(clock.begin_of(day))
        spans.ends.append(clock.begin_of(after(day)))
        spans.zones.append(clock.zone_on(day))
    return spans


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)
