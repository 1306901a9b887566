"""Reading health: how an instance stands, and its uptime and response times over time.

All of it is of one instance, or of one client's; whoever calls has looked the instance up among
those of its client. A stretch of time is half-open. What was never looked at is unknown, and counts
neither for nor against; announced maintenance is no part of the uptime.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from django.db.models import QuerySet

from hosting.models import Health, HealthDay, HealthSlot, Incident, IncidentEvent, Instance, Probe
from hosting.models.health import RESPONSE_BUCKETS_MS, HealthCounts

SLOT = timedelta(minutes=15)
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Response:
    """Response times of the app itself, in milliseconds; the 95th percentile is an estimate."""

    average: float
    p95: float
    most: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is known of a stretch of time: in seconds, and as a share."""

    known_seconds: int
    down_seconds: int
    excused_seconds: int
    checks: int
    failures: int
    response: Response | None

    @property
    def uptime(self) -> Decimal | None:
        """In per cent with three places, rounded down; None where nothing is known."""
        return uptime(known_seconds=self.known_seconds, down_seconds=self.down_seconds)


@dataclass(frozen=True, slots=True)
class SlotPoint:
    """A stretch that begins at a moment: a point of a chart."""

    start: datetime
    stretch: Stretch


@dataclass(frozen=True, slots=True)
class DayPoint:
    """A day by the clock of the client's zone, or a week or month where it is its first day."""

    day: date
    stretch: Stretch


@dataclass(frozen=True, slots=True)
class Look:
    """One look, for the last hours; ``excuse`` is empty where it counts."""

    at: datetime
    is_up: bool
    excuse: str
    ms: int | None
    error: str


def uptime(*, known_seconds: int, down_seconds: int) -> Decimal | None:
    """Per cent, rounded down: less than all of the time is never shown as 100."""
    if not known_seconds:
        return None
    share = _HUNDRED * (known_seconds - down_seconds) / known_seconds
    return share.quantize(Decimal("0.001"), rounding=ROUND_FLOOR)


def together(stretches: Iterable[Stretch]) -> float | None:
    """The uptime of all of them as one, in per cent, rounded down; None where nothing is known."""
    known = list(stretches)
    share = uptime(
        known_seconds=sum(each.known_seconds for each in known),
        down_seconds=sum(each.down_seconds for each in known),
    )
    return None if share is None else float(share)


def current(instance: Instance) -> Health | None:
    """How it stood at the last look that counts; None where there was none."""
    return Health.objects.filter(instance=instance).first()


def current_of(instances: Iterable[Instance]) -> dict[uuid.UUID, Health]:
    """The same of many, in one query."""
    return Health.objects.in_bulk([each.pk for each in instances])


def looks(
    instance: Instance, *, since: datetime, until: datetime, most: int | None = None
) -> list[Look]:
    """Each look of that time, oldest first, so many at most; kept for days only."""
    rows = Probe.objects.filter(instance=instance, at__gte=since, at__lt=until).order_by("at")
    found = rows.values_list("at", "is_up", "excuse", "ms", "error")[:most]
    return [
        Look(at=at, is_up=is_up, excuse=excuse, ms=ms, error=error)
        for at, is_up, excuse, ms, error in found
    ]


def slots(instance: Instance, *, since: datetime, until: datetime) -> list[SlotPoint]:
    """Quarters of an hour that begin in that time, oldest first; without a look there is none."""
    rows = HealthSlot.objects.filter(instance=instance, start__gte=since, start__lt=until)
    return [SlotPoint(each.start, stretch([each])) for each in rows.order_by("start")]


def hours(instance: Instance, *, since: datetime, until: datetime) -> list[SlotPoint]:
    """Hours in UTC, made of the quarters in that time; without a look there is none."""
    rows = HealthSlot.objects.filter(instance=instance, start__gte=since, start__lt=until)
    found: dict[datetime, list[HealthSlot]] = {}
    for each in rows.order_by("start"):
        found.setdefault(each.start.replace(minute=0), []).append(each)
    return [SlotPoint(start, stretch(theirs)) for start, theirs in found.items()]


def days(instance: Instance, *, since: date, until: date) -> list[DayPoint]:
    """Days of the client's zone, ``until`` not among them; without a look there is none."""
    rows = _days(instance, since, until)
    return [DayPoint(each.day, stretch([each])) for each in rows]


def weeks(instance: Instance, *, since: date, until: date) -> list[DayPoint]:
    """Weeks of the client's zone, each by its Monday, made of the days in that time."""
    found: dict[date, list[HealthDay]] = {}
    for each in _days(instance, since, until):
        found.setdefault(each.day - timedelta(days=each.day.weekday()), []).append(each)
    return [DayPoint(monday, stretch(rows)) for monday, rows in sorted(found.items())]


def months(instance: Instance, *, since: date, until: date) -> list[DayPoint]:
    """Months of the client's zone, each by its first day, made of the days in that time."""
    found: dict[date, list[HealthDay]] = {}
    for each in _days(instance, since, until):
        found.setdefault(each.day.replace(day=1), []).append(each)
    return [DayPoint(month, stretch(rows)) for month, rows in sorted(found.items())]


def over(instance: Instance, *, since: date, until: date) -> Stretch:
    """All of that time in one: for “99.98 % in the last 30 days”."""
    return stretch(list(_days(instance, since, until)))


def over_of(instances: Iterable[Instance], *, since: date, until: date) -> dict[uuid.UUID, Stretch]:
    """The same of many, in one query; those of which nothing is known are absent."""
    rows = HealthDay.objects.filter(instance__in=list(instances), day__gte=since, day__lt=until)
    found: dict[uuid.UUID, list[HealthDay]] = {}
    for each in rows:
        found.setdefault(each.instance_id, []).append(each)
    return {pk: stretch(theirs) for pk, theirs in found.items()}


def stretch(rows: Sequence[HealthCounts]) -> Stretch:
    """What the rows come to together."""

    def total(name: str) -> int:
        return sum(getattr(each, name) for each in rows)

    return Stretch(
        known_seconds=total("known_seconds"),
        down_seconds=total("down_seconds"),
        excused_seconds=total("excused_seconds"),
        checks=total("checks"),
        failures=total("failures"),
        response=_response(rows),
    )


def percentile(buckets: Sequence[int], share: float, *, most: int) -> float:
    """Where that share of the response times lies, in ms, by a straight line within its bucket.

    ``most`` is the largest of all: nothing lies beyond it, in the open bucket neither.
    """
    wanted, seen, lower = share * sum(buckets), 0, 0
    for count, bound in zip(buckets, (*RESPONSE_BUCKETS_MS, most), strict=True):
        upper = max(lower, min(bound, most))
        if count and seen + count >= wanted:
            return lower + (upper - lower) * (wanted - seen) / count
        seen, lower = seen + count, upper
    return float(most)


def incidents_of(instance: Instance, *, since: datetime) -> QuerySet[Incident]:
    """What was wrong with it since then, its server's and everybody's included, newest first."""
    about = Incident.objects.filter(instance=instance, kind__in=_OF_INSTANCE)
    server = Incident.objects.filter(server=instance.server_id, kind=Incident.Kind.SERVER_DOWN)
    edge = Incident.objects.filter(kind=Incident.Kind.EDGE_DOWN)
    lately = (about | server | edge).exclude(closed_at__lt=since)
    return lately.order_by("-opened_at")


def timeline(incident: Incident) -> QuerySet[IncidentEvent]:
    """What happened to it, in order."""
    return incident.events.order_by("at", "pk")


_OF_INSTANCE = (
    Incident.Kind.INSTANCE_DOWN,
    Incident.Kind.INSTANCE_DEGRADED,
    Incident.Kind.PART_DOWN,
)


def _days(instance: Instance, since: date, until: date) -> QuerySet[HealthDay]:
    rows = HealthDay.objects.filter(instance=instance, day__gte=since, day__lt=until)
    return rows.order_by("day")


def _response(rows: Sequence[HealthCounts]) -> Response | None:
    responses = sum(each.responses for each in rows)
    if not responses:
        return None
    most = max(each.ms_max or 0 for each in rows)
    buckets = [sum(counts) for counts in zip(*(each.buckets for each in rows), strict=True)]
    return Response(
        average=sum(each.ms_sum for each in rows) / responses,
        p95=percentile(buckets, 0.95, most=most),
        most=most,
    )
