"""From readings to quarters of an hour, and from those to days: always computed anew.

What is marked dirty is taken in batches, each in a transaction of its own. Whoever dies in between
leaves its batch dirty; rolled up twice, it is the same; a reading that comes late makes its quarter
dirty again.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from hosting.selectors import client_days
from hosting.selectors.measuring.readings import INTERVALS

QUARTER = timedelta(minutes=15)
# So long after its end a quarter is settled: the first reading of the next one has come.
SETTLE = timedelta(seconds=90)
BATCH = 5000

_UNDER_WAY = """
SELECT instance_id, at FROM hosting_dirtyquarter WHERE at >= %(settled)s AND at <= %(now)s
    AND (instance_id, at) > (%(instance)s, %(quarter)s) ORDER BY instance_id, at LIMIT %(batch)s
"""
_TAKE = """
DELETE FROM hosting_dirtyquarter WHERE (at, instance_id) IN (
    SELECT at, instance_id FROM hosting_dirtyquarter WHERE at < %(settled)s
    ORDER BY at, instance_id LIMIT %(batch)s FOR UPDATE SKIP LOCKED
) RETURNING instance_id, at
"""
# A gap before the first or after the last reading reaches into other quarters: these too then.
_WIDEN = """
WITH dirty AS (
    SELECT * FROM unnest(%(instances)s::uuid[], %(quarters)s::timestamptz[]) AS q (instance_id, at)
),
edges AS (
    SELECT dirty.instance_id, dirty.at,
        CASE WHEN first.at - before.at > '1 min' THEN before.at END AS since,
        CASE WHEN after.at - last.at > '1 min' THEN after.at END AS until
    FROM dirty
    LEFT JOIN LATERAL ({first}) AS first ON true
    LEFT JOIN LATERAL ({last}) AS last ON true
    LEFT JOIN LATERAL ({before}) AS before ON true
    LEFT JOIN LATERAL ({after}) AS after ON true
)
SELECT instance_id, at FROM dirty
UNION
SELECT instance_id, date_bin('15 min', quarter, '2000-01-01 00:00Z') FROM edges,
    generate_series(since, at, '15 min') AS quarter
UNION
SELECT instance_id, date_bin('15 min', quarter, '2000-01-01 00:00Z') FROM edges,
    generate_series(at, date_bin('15 min', until, '2000-01-01 00:00Z'), '15 min') AS quarter
"""
_READING = """
SELECT at FROM hosting_sample WHERE hosting_sample.instance_id = dirty.instance_id
AND hosting_sample.at >= {since} AND hosting_sample.at < {until} ORDER BY at {order} LIMIT 1
"""
_EDGES = {
    "first": _READING.format(since="dirty.at", until="dirty.at + '15 min'", order="ASC"),
    "last": _READING.format(since="dirty.at", until="dirty.at + '15 min'", order="DESC"),
    "before": _READING.format(since="dirty.at - '1 day'::interval", until="dirty.at", order="DESC"),
    "after": _READING.format(
        since="dirty.at + '15 min'", until="dirty.at + '1 day'::interval", order="ASC"
    ),
}
_SUMMED = (
    "cpu_periods",
    "throttled_periods",
    "network_received_bytes",
    "network_sent_bytes",
    "disk_read_bytes",
    "disk_written_bytes",
)
_VALUES = (
    "seconds",
    "cpu_seconds",
    "cpu_max",
    "throttled_seconds",
    "memory_bytes",
    "memory_max_bytes",
    "memory_fullest",
    *_SUMMED,
    "volume_bytes",
)
_REPLACED = ", ".join(f"{each} = excluded.{each}" for each in _VALUES)
_QUARTERS = f"""
WITH dirty AS (
    SELECT * FROM unnest(%(instances)s::uuid[], %(quarters)s::timestamptz[]) AS q (instance_id, at)
),
windows AS (
    SELECT dirty.instance_id, dirty.at AS key, coalesce(before.at, dirty.at) AS since,
        coalesce(after.at, dirty.at + '15 min') AS until
    FROM dirty
    LEFT JOIN LATERAL ({_EDGES["before"]}) AS before ON true
    LEFT JOIN LATERAL ({_EDGES["after"]}) AS after ON true
),
{INTERVALS},
parts AS (
    SELECT *, inside / seconds AS share FROM (
        SELECT *,
            greatest(0, extract(epoch FROM
                least(at, key + '15 min') - greatest(since, key))::float8) AS inside,
            greatest(0, extract(epoch FROM
                least(at, key + '15 min') - greatest(since, key, at - '1 min'::interval))::float8
            ) AS held
        FROM intervals
    ) AS measured WHERE inside > 0
)
INSERT INTO hosting_resourcequarter (instance_id, at, {", ".join(_VALUES)})
SELECT instance_id, key, sum(inside), sum(cpu_microseconds * share) / 1e6,
    max(cpu_microseconds / seconds) / 1e6, sum(throttled_microseconds * share) / 1e6,
    round(sum(memory_bytes * held) / nullif(sum(held), 0)),
    max(memory_bytes) FILTER (WHERE held > 0), max(memory_fullest) FILTER (WHERE held > 0),
    {", ".join(f"round(sum({each} * share))" for each in _SUMMED)},
    (
        SELECT used_bytes FROM hosting_volumesample AS volume
        WHERE volume.instance_id = parts.instance_id
            AND volume.at >= key - '1 hour'::interval AND volume.at < key + '15 min'
        ORDER BY volume.at DESC LIMIT 1
    )
FROM parts GROUP BY instance_id, key
ON CONFLICT (instance_id, at) DO UPDATE SET {_REPLACED}
"""  # noqa: S608 - the names are those above
_DAYS = f"""
WITH days AS (
    SELECT * FROM unnest(
        %(instances)s::uuid[], %(dates)s::date[], %(begins)s::timestamptz[],
        %(ends)s::timestamptz[]
    ) AS day (instance_id, date, begins, ends)
)
INSERT INTO hosting_resourceday (instance_id, date, {", ".join(_VALUES)})
SELECT days.instance_id, date, sum(seconds), sum(cpu_seconds), max(cpu_max),
    sum(throttled_seconds),
    sum(memory_bytes * seconds) / nullif(sum(seconds) FILTER (WHERE memory_bytes IS NOT NULL), 0),
    max(memory_max_bytes), max(memory_fullest),
    {", ".join(f"sum({each})" for each in _SUMMED)},
    (array_agg(volume_bytes ORDER BY at DESC) FILTER (WHERE volume_bytes IS NOT NULL))[1]
FROM days JOIN hosting_resourcequarter AS quarter ON quarter.instance_id = days.instance_id
    AND quarter.at >= begins AND quarter.at < ends
GROUP BY days.instance_id, date
ON CONFLICT (instance_id, date) DO UPDATE SET {_REPLACED}
"""  # noqa: S608 - the names are those above
_NEWEST = f"""
WITH windows AS (
    SELECT id AS instance_id, 0 AS key, %(now)s::timestamptz - '75 s'::interval AS since,
        %(now)s::timestamptz AS until
    FROM hosting_instance WHERE state <> 'deleted'
),
{INTERVALS},
newest AS (SELECT DISTINCT ON (instance_id) * FROM intervals ORDER BY instance_id, at DESC)
INSERT INTO hosting_resourcenow (
    instance_id, at, cpu_cores, memory_bytes, memory_fullest, network_received_per_second,
    network_sent_per_second
)
SELECT instance_id, at, cpu_microseconds / seconds / 1e6, memory_bytes, memory_fullest,
    network_received_bytes / seconds, network_sent_bytes / seconds
FROM newest
ON CONFLICT (instance_id) DO UPDATE SET at = excluded.at, cpu_cores = excluded.cpu_cores,
    memory_bytes = excluded.memory_bytes, memory_fullest = excluded.memory_fullest,
    network_received_per_second = excluded.network_received_per_second,
    network_sent_per_second = excluded.network_sent_per_second
"""  # noqa: S608 - there are no names


@dataclass(frozen=True, slots=True)
class _Quarters:
    """Quarters of instances, as two arrays of the same length."""

    instances: list[uuid.UUID]
    quarters: list[datetime]

    @classmethod
    def of(cls, rows: Sequence[tuple[uuid.UUID, datetime]]) -> _Quarters:
        return cls([instance for instance, _ in rows], [at for _, at in rows])

    @property
    def values(self) -> dict[str, Any]:
        return {"instances": self.instances, "quarters": self.quarters}


def roll_up(*, now: datetime) -> int:
    """Roll up everything that is dirty, what is under way as far as it is known; how many quarters.

    A quarter under way stays dirty. One whose readings are gone already stays as it was.
    """
    return _roll_up_settled(now) + _roll_up_under_way(now)


def note_newest(*, now: datetime) -> None:
    """Bring ``ResourceNow`` of every instance up to its newest reading."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, {"now": now})


def _roll_up_settled(now: datetime) -> int:
    rolled = 0
    values = {"settled": now - QUARTER - SETTLE, "batch": BATCH}
    oldest = now - settings.BERTH_SAMPLES_KEPT
    while True:
        with transaction.atomic():
            taken = _rows(_TAKE, values)
            _compute([(instance, at) for instance, at in taken if at >= oldest])
        rolled += len(taken)
        if len(taken) < BATCH:
            return rolled


def _roll_up_under_way(now: datetime) -> int:
    rolled = 0
    values = {"settled": now - QUARTER - SETTLE, "now": now, "batch": BATCH}
    instance, quarter = uuid.UUID(int=0), now
    while True:
        found = _rows(_UNDER_WAY, {**values, "instance": instance, "quarter": quarter})
        _compute(found)
        rolled += len(found)
        if len(found) < BATCH:
            return rolled
        instance, quarter = found[-1]


def _compute(dirty: Sequence[tuple[uuid.UUID, datetime]]) -> None:
    """Quarters and the days that they are part of, by their clients' clocks."""
    if not dirty:
        return
    widened = _rows(_WIDEN.format(**_EDGES), _Quarters.of(dirty).values)
    clocks = client_days.clocks_of({instance for instance, _ in widened})
    with connection.cursor() as cursor:
        cursor.execute(_QUARTERS, _Quarters.of(widened).values)
        cursor.execute(_DAYS, client_days.days(widened, clocks).values)


def _rows(query: str, values: dict[str, Any]) -> list[tuple[uuid.UUID, datetime]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
