"""The fleet at a glance: what is reserved and what is used, who uses most, and when it is full.

A number of queries that does not grow with servers or instances.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Case, FloatField, Q, QuerySet, Sum, When
from django.db.models.functions import Cast

from hosting.models import Instance, ResourceNow, Server, UsageSum
from hosting.selectors.instances import LARGE
from hosting.selectors.measuring import resources
from hosting.selectors.measuring.resources import LATELY, ServerUse

SHOWN = 10
MIB, GIB = 1024**2, 1024**3
LOOKED_BACK = timedelta(days=30)
FORECAST_UP_TO = timedelta(days=730)  # what is further away says nothing

_Rank = tuple[uuid.UUID, float, float | None]  # which instance, how much, the share of its plan


@dataclass(frozen=True, slots=True)
class Worst:
    """An instance among the ten of most. ``share`` is of its plan, 1 is all of it."""

    instance: Instance
    amount: float
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the open servers have given all of something away, as it went in the last 30 days.

    ``date`` is None where less was ordered than deleted, or where it takes years.
    """

    what: str
    free: float
    capacity: float
    daily: float
    date: date | None


@dataclass(frozen=True, slots=True)
class Total:
    """All servers together, closed ones too: what they have, have given away, and what is used."""

    servers: int
    instances: int
    measured: int  # of them, lately: what the others use is in no sum
    cpus: float
    reserved_cpus: float
    used_cpus: float
    memory_bytes: int
    reserved_memory_bytes: int
    used_memory_bytes: int
    disk_bytes: int
    reserved_disk_bytes: int
    used_disk_bytes: int


@dataclass(frozen=True, slots=True)
class FleetUse:
    """Everything on the page."""

    servers: Sequence[ServerUse]
    cpu: Sequence[Worst]
    memory: Sequence[Worst]
    disk: Sequence[Worst]
    errors: Sequence[Worst]
    forecasts: Sequence[Forecast]


def fleet_use(*, now: datetime) -> FleetUse:
    """As of that moment; usage of the last minutes, errors of today and yesterday."""
    servers = resources.fleet(Server.objects.order_by("name"), now=now)
    ranked = (
        _ranked("cpu_cores", "cpus", 1, _lately(now)),
        _ranked("memory_bytes", "memory_mb", MIB, _lately(now)),
        _ranked("volume_bytes", "disk_gb", GIB, _known()),
        _failing(now),
    )
    cpu, memory, disk, errors = _worst(ranked)
    return FleetUse(
        servers=servers,
        cpu=cpu,
        memory=memory,
        disk=disk,
        errors=errors,
        forecasts=_forecasts(servers, now),
    )


def total(servers: Sequence[ServerUse]) -> Total:
    """The sums; no query."""
    return Total(
        servers=len(servers),
        instances=sum(each.instances for each in servers),
        measured=sum(each.measured for each in servers),
        cpus=sum(float(each.server.cpus) for each in servers),
        reserved_cpus=sum(float(each.reserved_cpus) for each in servers),
        used_cpus=sum(each.used_cpus for each in servers),
        memory_bytes=sum(each.server.memory_mb * MIB for each in servers),
        reserved_memory_bytes=sum(each.reserved_memory_bytes for each in servers),
        used_memory_bytes=sum(each.used_memory_bytes for each in servers),
        disk_bytes=sum(each.server.disk_gb * GIB for each in servers),
        reserved_disk_bytes=sum(each.reserved_disk_bytes for each in servers),
        used_disk_bytes=sum(each.used_disk_bytes for each in servers),
    )


def _ranked(used: str, limit: str, factor: int, known: QuerySet[ResourceNow]) -> list[_Rank]:
    """The ten that use most of their plan, whose limit is so many times the factor."""
    amount = Cast(used, FloatField())
    share = amount / Cast(f"instance__plan__{limit}", FloatField()) / factor
    rows = known.filter(**{f"{used}__isnull": False}).annotate(amount=amount, share=share)
    return list(rows.order_by("-share", "pk").values_list("instance", "amount", "share")[:SHOWN])


def _worst(ranked: Sequence[Sequence[_Rank]]) -> list[list[Worst]]:
    """All of them read at once, when it is known which: an instance is a wide row to rank."""
    found = Instance.objects.select_related("client", "plan").defer(*LARGE)
    known = found.in_bulk({pk for each in ranked for pk, _, _ in each})
    return [[Worst(known[pk], amount, share) for pk, amount, share in each] for each in ranked]


def _lately(now: datetime) -> QuerySet[ResourceNow]:
    return _known().filter(at__gte=now - LATELY)


def _known() -> QuerySet[ResourceNow]:
    """Of all that are there: what is stopped keeps its files."""
    theirs = ResourceNow.objects.filter(instance__purpose=Instance.Purpose.CLIENT)
    return theirs.exclude(instance__state=Instance.State.DELETED)


def _failing(now: datetime) -> list[_Rank]:
    """Whose executions failed most often, today and yesterday by the clients' clocks."""
    today = now.date()
    failed = UsageSum.objects.filter(
        span="day",
        on__gte=today - timedelta(days=1),
        on__lte=today + timedelta(days=1),
        meter="executions",
        label="failed",
    )
    sums = failed.order_by().values_list("instance").annotate(failures=Sum("total"))
    most = sums.order_by("-failures")[:SHOWN]
    return [(pk, float(failures), None) for pk, failures in most if failures]


def _forecasts(servers: Sequence[ServerUse], now: datetime) -> list[Forecast]:
    """From what the plans of new instances took, less those of deleted ones."""
    growth = _growth(now)
    open_ones = [each for each in servers if each.server.availability == Server.Availability.OPEN]
    has = {
        "CPUs": sum(float(each.server.cpus) for each in open_ones),
        "Memory": sum(each.server.memory_mb * MIB for each in open_ones),
        "Disk": sum(each.server.disk_gb * GIB for each in open_ones),
    }
    taken = {
        "CPUs": sum(float(each.reserved_cpus) for each in open_ones),
        "Memory": sum(each.reserved_memory_bytes for each in open_ones),
        "Disk": sum(each.reserved_disk_bytes for each in open_ones),
    }
    return [forecast(what, has[what] - taken[what], has[what], growth[what], now) for what in has]


def _growth(now: datetime) -> dict[str, float]:
    """How much more is reserved each day, on average of the last 30; may be negative."""
    since = now - LOOKED_BACK
    changed = Q(created_at__gte=since) | Q(deleted_at__gte=since)
    sign = Case(
        When(created_at__gte=since, deleted_at__gte=since, then=0),
        When(deleted_at__gte=since, then=-1),
        default=1,
    )
    theirs = Instance.objects.filter(changed, purpose=Instance.Purpose.CLIENT).order_by()
    plans = theirs.values_list("plan__cpus", "plan__memory_mb", "plan__disk_gb")
    daily = [
        (float(cpus), memory, disk, more / LOOKED_BACK.days)
        for cpus, memory, disk, more in plans.annotate(more=Sum(sign))
    ]
    return {
        "CPUs": sum(cpus * more for cpus, _, _, more in daily),
        "Memory": sum(memory * MIB * more for _, memory, _, more in daily),
        "Disk": sum(disk * GIB * more for _, _, disk, more in daily),
    }


def forecast(what: str, free: float, capacity: float, daily: float, now: datetime) -> Forecast:
    """When it is used up, at that much a day."""
    left = None
    if free <= 0:
        left = now.date()
    elif daily > 0 and free / daily <= FORECAST_UP_TO.days:
        left = (now + timedelta(days=free / daily)).date()
    return Forecast(what=what, free=free, capacity=capacity, daily=daily, date=left)
