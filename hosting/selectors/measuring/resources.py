"""What instances use, for charts, lists and sums.

``series`` is one line of a chart, ``newest`` for lists, ``totals`` for sums over a stretch of time,
``fleet`` for servers. Each takes a number of queries that does not grow with the instances.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, F, FloatField, Q, QuerySet, Sum
from django.db.models.functions import Cast

from hosting.models import Crash, Instance, LimitWarning, ResourceNow, ResourceQuarter, Server
from hosting.selectors import capacity
from hosting.selectors.measuring.resources_sql import DAYS, QUARTERS, RAW

GIB = 1024**3
RAW_UP_TO = timedelta(hours=2)
QUARTERS_UP_TO = timedelta(days=2)
HOURS_UP_TO = timedelta(days=10)
TWO_HOURS_UP_TO = timedelta(days=62)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LATELY = timedelta(minutes=10)  # what is older says nothing of now
GAP = timedelta(minutes=1)  # so long without a reading, and a line is broken


class Measure(StrEnum):
    """What is measured of an instance, all its services together."""

    CPU = "cpu"
    THROTTLED = "throttled"
    MEMORY = "memory"
    DISK = "disk"
    NETWORK_RECEIVED = "network_received"
    NETWORK_SENT = "network_sent"
    DISK_READ = "disk_read"
    DISK_WRITTEN = "disk_written"


UNITS: Mapping[Measure, str] = {
    Measure.CPU: "cores",
    Measure.THROTTLED: "share",  # 0 to 1, of the periods in which it was held back
    Measure.MEMORY: "bytes",
    Measure.DISK: "bytes",
    Measure.NETWORK_RECEIVED: "bytes/s",
    Measure.NETWORK_SENT: "bytes/s",
    Measure.DISK_READ: "bytes/s",
    Measure.DISK_WRITTEN: "bytes/s",
}


_SUMMED = (
    "seconds",
    "cpu_seconds",
    "network_received_bytes",
    "network_sent_bytes",
    "disk_read_bytes",
    "disk_written_bytes",
)


@dataclass(frozen=True, slots=True)
class Point:
    """The average and the most of a stretch that begins at ``at``; None where nothing is known.

    Of single readings (``Series.step`` is zero) ``at`` is the reading itself.
    """

    at: datetime
    value: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """One measure over a span, oldest first; ``limit`` is what the plan allows, in ``unit``.

    ``step`` is how long each point stands for: zero for readings, a day for days of the client's
    zone (23 to 25 hours). Where something was not measured there is a point without a value.
    """

    measure: Measure
    unit: str
    limit: float | None
    since: datetime
    until: datetime
    step: timedelta
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """What an instance used in a stretch of time."""

    seconds: float = 0.0  # measured
    cpu_seconds: float = 0.0
    network_received_bytes: int = 0
    network_sent_bytes: int = 0
    disk_read_bytes: int = 0
    disk_written_bytes: int = 0
    memory_byte_seconds: float = 0.0
    memory_seconds: float = 0.0  # for which memory is known: not in gaps

    @property
    def cpu_cores(self) -> float | None:
        """On average, over what was measured."""
        return self.cpu_seconds / self.seconds if self.seconds else None

    @property
    def memory_bytes(self) -> float | None:
        """On average, over what was measured."""
        return self.memory_byte_seconds / self.memory_seconds if self.memory_seconds else None


@dataclass(frozen=True, slots=True)
class ServerUse:
    """What a server has, has given away, and what its instances really use just now."""

    server: Server
    instances: int
    measured: int  # of them, lately
    reserved_cpus: Decimal
    used_cpus: float
    reserved_memory_bytes: int
    used_memory_bytes: int
    reserved_disk_bytes: int
    used_disk_bytes: int
    lag: timedelta | None  # since its usage was last read; None where that never was


def step_for(span: timedelta) -> timedelta:
    """How long each point of a series over that span stands for."""
    if span <= RAW_UP_TO:
        return timedelta()
    for longest, step in (
        (QUARTERS_UP_TO, QUARTER),
        (HOURS_UP_TO, HOUR),
        (TWO_HOURS_UP_TO, 2 * HOUR),
    ):
        if span <= longest:
            return step
    return DAY


def series(instance: Instance, *, measure: Measure, since: datetime, until: datetime) -> Series:
    """One line of a chart, as fine as the span allows; one query.

    Where nothing is known from before the last two hours it is their readings, for which there is
    a second one.
    """
    step = step_for(until - since)
    values = {"instance": instance.pk, "since": since, "until": until}
    if not step:
        points = _readings(instance, measure, since, until)
    elif step == DAY:
        points = _points(DAYS[measure], {**values, "zone": instance.client.timezone})
    else:
        points = _points(QUARTERS[measure], {**values, "step": step})
    if step and (readings := _only_readings(instance, measure, points, until)):
        step, points = timedelta(), readings
    return Series(
        measure=measure,
        unit=UNITS[measure],
        limit=limit(instance, measure),
        since=since,
        until=until,
        step=step,
        points=points,
    )


def limit(instance: Instance, measure: Measure) -> float | None:
    """What the instance's plan allows of it, in the measure's unit; None where it says nothing."""
    plan = instance.plan
    limits = {
        Measure.CPU: float(plan.cpus),
        Measure.MEMORY: float(plan.memory_bytes),
        Measure.DISK: float(plan.disk_gb * GIB),
    }
    return limits.get(measure)


def newest(instances: Iterable[Instance]) -> dict[uuid.UUID, ResourceNow]:
    """The newest known of each, by the instance's id; one query. Missing where there is none."""
    return ResourceNow.objects.in_bulk([each.pk for each in instances])


def totals(
    instances: Iterable[Instance], *, since: datetime, until: datetime
) -> dict[uuid.UUID, Totals]:
    """What each used in the quarters of an hour that begin in that time, by its id; one query."""
    quarters = ResourceQuarter.objects.filter(
        instance_id__in=[each.pk for each in instances], at__gte=since, at__lt=until
    )
    held = Cast(F("memory_bytes"), FloatField()) * F("seconds")
    rows = (
        quarters.order_by()
        .values_list("instance_id")
        .annotate(
            *(Sum(name) for name in _SUMMED),
            memory=Sum(held),
            known=Sum("seconds", filter=Q(memory_bytes__isnull=False)),
        )
    )
    return {
        pk: Totals(
            **dict(zip(_SUMMED, sums, strict=True)),
            memory_byte_seconds=memory or 0.0,
            memory_seconds=known or 0.0,
        )
        for pk, *sums, memory, known in rows
    }


def fleet(servers: QuerySet[Server], *, now: datetime) -> list[ServerUse]:
    """What each server's instances really use, beside what is reserved; two queries."""
    lately = Q(at__gte=now - LATELY)
    rows = ResourceNow.objects.filter(instance__server__in=servers).exclude(
        instance__state=Instance.State.DELETED
    )
    used = {
        server: values
        for server, *values in rows.order_by()
        .values_list("instance__server")
        .annotate(
            measured=Count("pk", filter=lately),
            cores=Sum("cpu_cores", filter=lately),
            memory=Sum("memory_bytes", filter=lately),
            volumes=Sum("volume_bytes"),  # one that is stopped keeps its files
        )
    }
    return [
        _server_use(server, used.get(server.pk, (0, None, None, None)), now)
        for server in capacity.with_reserved(servers)
    ]


def open_warnings(instances: Collection[Instance]) -> dict[uuid.UUID, list[LimitWarning]]:
    """The warnings that go on, newest first, by the instance's id; one query."""
    found: dict[uuid.UUID, list[LimitWarning]] = {}
    wanted = LimitWarning.objects.filter(instance__in=instances, closed_at=None)
    for each in wanted.select_related("plan").order_by("-opened_at"):
        found.setdefault(each.instance_id, []).append(each)
    return found


def crashes(instance: Instance, *, since: datetime, until: datetime) -> QuerySet[Crash]:
    """When its containers ended by themselves or ran out of memory, newest first."""
    return Crash.objects.filter(instance=instance, at__gte=since, at__lt=until).order_by("-at")


def _server_use(server: Server, used: Sequence[float | None], now: datetime) -> ServerUse:
    measured, cores, memory, volumes = used
    return ServerUse(
        server=server,
        instances=server.instance_count,  # type: ignore[attr-defined]
        measured=int(measured or 0),
        reserved_cpus=Decimal(server.reserved_cpus),  # type: ignore[attr-defined]
        used_cpus=cores or 0.0,
        reserved_memory_bytes=server.reserved_memory_mb * 1024**2,  # type: ignore[attr-defined]
        used_memory_bytes=int(memory or 0),
        reserved_disk_bytes=server.reserved_disk_gb * GIB,  # type: ignore[attr-defined]
        used_disk_bytes=int(volumes or 0),
        lag=now - server.sampled_at if server.sampled_at else None,
    )


def _points(query: str, values: Mapping[str, Any]) -> tuple[Point, ...]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return tuple(Point(*row) for row in cursor.fetchall())


def _only_readings(
    instance: Instance, measure: Measure, points: Sequence[Point], until: datetime
) -> tuple[Point, ...]:
    """The readings, where what is rolled up tells of nothing from before them."""
    since = until - RAW_UP_TO
    if any(each.at < since for each in points if each.value is not None):
        return ()
    return _readings(instance, measure, since, until)


def _readings(
    instance: Instance, measure: Measure, since: datetime, until: datetime
) -> tuple[Point, ...]:
    values = {"instance": instance.pk, "since": since, "until": until, "lead": since - GAP}
    gap = 2 * settings.BERTH_VOLUMES_EVERY if measure is Measure.DISK else GAP
    return _with_gaps(_points(RAW[measure], values), gap)


def _with_gaps(points: Sequence[Point], longest: timedelta) -> tuple[Point, ...]:
    """The readings, with a point without a value wherever there was none for too long."""
    shown: list[Point] = []
    for point in points:
        if shown and point.at - shown[-1].at > longest:
            shown.append(Point(shown[-1].at + longest, None, None))
        shown.append(point)
    return tuple(shown)
