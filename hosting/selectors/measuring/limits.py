"""Which instances come near a limit of their plan, and what would help: pure, but for one query.

What opens a warning lies above what keeps it open, so that none comes and goes every few minutes.
"""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations

from django.db import connection

from hosting.models import Instance, LimitWarning, Plan, ResourceDay

GIB = 1024**3
Kind = LimitWarning.Kind
# Of each: from what on it opens, and down to what it stays open.
MEMORY_FULL = (0.90, 0.80)  # share of a service's own limit, for half an hour
THROTTLED = (0.25, 0.10)  # share of the last hour's periods in which there was work to do
DISK_FULL = (0.85, 0.80)  # share of the plan's disk
DAYS_LEFT = (14, 21)  # until the disk is full
RESTARTS = (3, 1)  # in the last hour
OUT_OF_MEMORY = (1, 1)  # in the last hour, and in the last day
FORECAST_FROM = 0.5  # share of the disk from which on it is asked when it is full
FORECAST_DAYS = timedelta(days=30)
FEWEST_DAYS = 5  # of which a line can be drawn
LOOKS_AHEAD = timedelta(days=365)
_MORE_MEMORY = 1.5  # times as much, where it ran out
ENOUGH_FOR = 90  # days that the plan which would help has disk for

_STRAINS = """
SELECT instance.id, fullest, throttled, now.volume_bytes, restarts, oom_hour, oom_day,
    restarted, starved, starved_day
FROM hosting_instance AS instance
LEFT JOIN hosting_resourcenow AS now ON now.instance_id = instance.id
LEFT JOIN LATERAL (
    SELECT CASE WHEN count(memory_fullest) FILTER (WHERE at >= %(now)s - '45 min'::interval) > 1
            THEN min(memory_fullest) FILTER (WHERE at >= %(now)s - '45 min'::interval)
        END AS fullest,
        sum(throttled_periods)::float8 / greatest(sum(cpu_periods), 1) AS throttled
    FROM hosting_resourcequarter AS quarter
    WHERE quarter.instance_id = instance.id
        AND at >= %(now)s - '75 min'::interval AND at <= %(now)s - '15 min'::interval
) AS lately ON true
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE kind = 'ended' AND at >= %(now)s - '1 hour'::interval)
            AS restarts,
        count(*) FILTER (WHERE kind <> 'ended' AND at >= %(now)s - '1 hour'::interval) AS oom_hour,
        count(*) FILTER (WHERE kind <> 'ended') AS oom_day,
        array_agg(DISTINCT service::text) FILTER (
            WHERE kind = 'ended' AND at >= %(now)s - '1 hour'::interval
        ) AS restarted,
        array_agg(DISTINCT service::text) FILTER (
            WHERE kind <> 'ended' AND at >= %(now)s - '1 hour'::interval
        ) AS starved,
        array_agg(DISTINCT service::text) FILTER (WHERE kind <> 'ended') AS starved_day
    FROM hosting_crash AS crash
    WHERE crash.instance_id = instance.id AND at >= %(now)s - '1 day'::interval
) AS crashed ON true
WHERE instance.purpose = 'client' AND instance.state IN ('running', 'degraded')
"""


@dataclass(frozen=True, slots=True)
class Strain:
    """How an instance stands to its limits; None where nothing is known."""

    instance: uuid.UUID
    memory_fullest: float | None = None  # the least of the last two whole quarters
    throttled: float | None = None
    volume_bytes: int | None = None
    restarts: int = 0
    out_of_memory_hour: int = 0
    out_of_memory_day: int = 0
    restarted: tuple[str, ...] = ()  # that ended by themselves within the hour
    starved: tuple[str, ...] = ()  # that ran out of memory within the hour
    starved_day: tuple[str, ...] = ()  # the same within the day


@dataclass(frozen=True, slots=True)
class Finding:
    """What a warning says."""

    summary: str
    plan: Plan | None
    full_date: date | None = None


def strains(*, now: datetime) -> list[Strain]:
    """Of every client's instance that runs; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_STRAINS, {"now": now})
        return [
            Strain(*values[:-3], *(tuple(each or ()) for each in values[-3:]))
            for values in cursor.fetchall()
        ]


def is_strained(strain: Strain, kind: Kind, plan: Plan, *, is_open: bool) -> bool | None:
    """Whether there is to be a warning of that kind, but for a forecast; None where unknown."""
    value, (opens, stays) = {
        Kind.MEMORY: (strain.memory_fullest, MEMORY_FULL),
        Kind.CPU: (strain.throttled, THROTTLED),
        Kind.DISK: (disk_share(strain, plan), DISK_FULL),
        Kind.RESTARTS: (strain.restarts, RESTARTS),
        Kind.OUT_OF_MEMORY: (
            strain.out_of_memory_day if is_open else strain.out_of_memory_hour,
            OUT_OF_MEMORY,
        ),
    }[kind]
    if value is None:
        return None
    return value >= (stays if is_open else opens)


def disk_share(strain: Strain, plan: Plan) -> float | None:
    """How much of the plan's disk is full."""
    if strain.volume_bytes is None:
        return None
    return strain.volume_bytes / (plan.disk_gb * GIB)


def growths(instances: Collection[uuid.UUID], *, today: date) -> dict[uuid.UUID, float]:
    """By how many bytes a day each one's volumes grow, of the last 30 days; one query."""
    days = ResourceDay.objects.filter(
        instance__in=instances, date__gte=today - FORECAST_DAYS, volume_bytes__isnull=False
    )
    known: dict[uuid.UUID, list[tuple[date, int]]] = {}
    for instance, day, size in days.values_list("instance_id", "date", "volume_bytes"):
        known.setdefault(instance, []).append((day, size or 0))
    return {instance: growth(each) for instance, each in known.items() if len(each) >= FEWEST_DAYS}


def growth(days: Sequence[tuple[date, int]]) -> float:
    """The slope of a line that a clean-up or one large import does not bend: Theil and Sen's.

    The median of the slopes between all pairs, https://doi.org/10.1080/01621459.1968.10480934
    """
    return statistics.median(
        (later[1] - earlier[1]) / (later[0] - earlier[0]).days
        for earlier, later in combinations(sorted(days), 2)
    )


def full_date(strain: Strain, plan: Plan, grows: float, *, today: date) -> date | None:
    """The day on which the disk is full at that pace; None where that is further than a year."""
    if strain.volume_bytes is None or grows <= 0:
        return None
    left = max(0.0, (plan.disk_gb * GIB - strain.volume_bytes) / grows)
    return today + timedelta(days=left) if left <= LOOKS_AHEAD.days else None


def find(
    strain: Strain, kind: Kind, plan: Plan, offered: Sequence[Plan], *, grows: float, today: date
) -> Finding:
    """What to tell the client: a sentence, and the smallest offered plan that would be enough."""
    match kind:
        case Kind.MEMORY:
            share = strain.memory_fullest or 0.0
            return Finding(
                f"Memory is nearly full: one of its services came to {share:.0%} of what it may use"
                " within the last quarter of an hour, and within the one before as well. Once its"
                " memory is full, the service is ended and started again.",
                helping(plan, offered, memory_mb=plan.memory_mb * share / 0.75),
            )
        case Kind.CPU:
            return Finding(
                f"It wants more CPU than its plan has: for {strain.throttled or 0:.0%} of the time"
                " in which it had something to do within the last hour it was held back, and"
                " answered more slowly.",
                helping(plan, offered, cpus=float(plan.cpus) * 1.25),
            )
        case Kind.DISK:
            return _of_disk(strain, plan, offered, grows, today)
        case Kind.RESTARTS:
            return _of_restarts(strain, plan, offered)
        case Kind.OUT_OF_MEMORY:
            return Finding(
                f"Ran out of memory within the last day ({', '.join(strain.starved_day)}): a"
                " program of it was ended for that. What it was doing then may be lost.",
                helping(plan, offered, memory_mb=plan.memory_mb * _MORE_MEMORY),
            )


def _of_restarts(strain: Strain, plan: Plan, offered: Sequence[Plan]) -> Finding:
    """Memory helps only what ran out of it; of the rest the log tells what would."""
    starved = [each for each in strain.restarted if each in strain.starved]
    others = [each for each in strain.restarted if each not in strain.starved]
    summary = (
        f"Ended by itself {_times(strain.restarts)} within an hour"
        f" ({', '.join(strain.restarted)}), and was started again each time. What it was doing then"
        " may be lost."
    )
    if starved:
        summary += f" The cause was want of memory ({', '.join(starved)})."
    if others:
        of = f" of {', '.join(others)}" if starved else ""
        summary += (
            f" The cause{of} was not want of memory, so a larger plan would not help: the last"
            " lines of its log say what would."
        )
    needed = plan.memory_mb * _MORE_MEMORY
    return Finding(summary, helping(plan, offered, memory_mb=needed) if starved else None)


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _of_disk(
    strain: Strain, plan: Plan, offered: Sequence[Plan], grows: float, today: date
) -> Finding:
    """The engine enforces no limit on disk, so nothing is said to break at the plan's."""
    used = (strain.volume_bytes or 0) / GIB
    full = full_date(strain, plan, grows, today=today)
    if used > plan.disk_gb:
        summary = f"Its files take {used:.1f} GiB, more than the {plan.disk_gb} GiB of its plan"
    else:
        summary = f"Its files take {used:.1f} GiB of the {plan.disk_gb} GiB of its plan"
        if full is not None:
            summary += f", and all of it on {full:%d %B %Y} if they grow as in the last weeks"
    needed = max(used / 0.7, (used + ENOUGH_FOR * max(0.0, grows) / GIB) / 0.85)
    return Finding(
        f"{summary}. Delete what is no longer needed, or choose a plan with more disk.",
        helping(plan, offered, disk_gb=needed),
        full,
    )


def helping(plan: Plan, offered: Sequence[Plan], **needed: float) -> Plan | None:
    """The smallest offered plan that has what is needed, and nothing less than the present one."""
    kept = ("cpus", "memory_mb", "disk_gb", "processes", "point_in_time_days")
    enough = [
        each
        for each in offered
        if each.pk != plan.pk
        and all(getattr(each, name) >= getattr(plan, name) for name in kept)
        and all(getattr(each, name) >= value for name, value in needed.items())
    ]
    return min(enough, key=lambda each: (each.memory_mb, each.cpus, each.disk_gb), default=None)


def plans_of(instances: Collection[uuid.UUID]) -> dict[uuid.UUID, Instance]:
    """Those instances with their plans and clients; one query."""
    return Instance.objects.select_related("plan", "client").in_bulk(list(instances))
