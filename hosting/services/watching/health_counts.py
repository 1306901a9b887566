"""Counting looks: into quarters of an hour, and those into the days of the client's zone.

Nothing is added up as it comes in. Whoever writes looks marks their quarter; here what is marked is
counted anew, whole, so that counting twice changes nothing. A quarter that goes on keeps its mark.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from hosting.models.health import RESPONSE_BUCKETS_MS
from hosting.selectors import client_days
from hosting.services.watching.health import LOCK, SLOT

AT_ONCE = 1000  # quarters; so long nobody can write looks
_BUCKETS = len(RESPONSE_BUCKETS_MS) + 1
_BOUNDS = f"ARRAY[{', '.join(str(each + 1) for each in RESPONSE_BUCKETS_MS)}]"
_COUNTED = (
    "checks, failures, known_seconds, down_seconds, excused_seconds, responses, ms_sum, ms_max,"
    " buckets"
)
_SET = ", ".join(f"{each.strip()} = excluded.{each.strip()}" for each in _COUNTED.split(","))
_EACH_BUCKET = ", ".join(
    f"count(*) FILTER (WHERE excuse = '' AND ms IS NOT NULL"
    f" AND width_bucket(ms, {_BOUNDS}) = {number})"
    for number in range(_BUCKETS)
)
_SUM_OF_EACH_BUCKET = ", ".join(
    f"coalesce(sum(buckets[{number}]), 0)" for number in range(1, _BUCKETS + 1)
)
_COUNT_SLOTS = f"""
WITH marked AS (
    SELECT start, instance_id FROM hosting_healthmark
    WHERE (start, instance_id) > (%(start)s, %(instance)s)
    ORDER BY start, instance_id LIMIT %(limit)s
), gone AS (
    DELETE FROM hosting_healthmark h USING marked m
    WHERE h.start = m.start AND h.instance_id = m.instance_id AND m.start < %(over_before)s
), counted AS (
    SELECT m.instance_id, m.start,
        count(*) FILTER (WHERE excuse = '') AS checks,
        count(*) FILTER (WHERE excuse = '' AND NOT is_up) AS failures,
        coalesce(sum(seconds) FILTER (WHERE excuse = ''), 0) AS known_seconds,
        coalesce(sum(seconds) FILTER (WHERE excuse = '' AND NOT is_up), 0) AS down_seconds,
        coalesce(sum(seconds) FILTER (WHERE excuse <> ''), 0) AS excused_seconds,
        count(ms) FILTER (WHERE excuse = '') AS responses,
        coalesce(sum(ms) FILTER (WHERE excuse = ''), 0) AS ms_sum,
        max(ms) FILTER (WHERE excuse = '') AS ms_max,
        ARRAY[{_EACH_BUCKET}] AS buckets
    FROM marked m JOIN hosting_probe p
    ON p.instance_id = m.instance_id AND p.at >= m.start AND p.at < m.start + %(slot)s
    GROUP BY m.instance_id, m.start
), kept AS (
    INSERT INTO hosting_healthslot (instance_id, start, {_COUNTED})
    SELECT instance_id, start, {_COUNTED} FROM counted
    ON CONFLICT (instance_id, start) DO UPDATE SET {_SET}
)
SELECT start, instance_id FROM marked ORDER BY start, instance_id
"""  # noqa: S608
# A day by the client's clock: 23, 24 or 25 hours, and others before it moves to another zone.
_COUNT_DAYS = f"""
WITH wanted AS (
    SELECT * FROM unnest(
        %(instances)s::uuid[], %(dates)s::date[], %(begins)s::timestamptz[],
        %(ends)s::timestamptz[], %(zones)s::text[]
    ) AS given (instance_id, day, begins, ends, zone)
)
INSERT INTO hosting_healthday (instance_id, day, zone, {_COUNTED})
SELECT w.instance_id, w.day, w.zone, sum(checks), sum(failures), sum(known_seconds),
    sum(down_seconds), sum(excused_seconds), sum(responses), sum(ms_sum), max(ms_max),
    ARRAY[{_SUM_OF_EACH_BUCKET}]
FROM wanted w JOIN hosting_healthslot s ON s.instance_id = w.instance_id
AND s.start >= w.begins AND s.start < w.ends
GROUP BY w.instance_id, w.day, w.zone
ON CONFLICT (instance_id, day) DO UPDATE SET zone = excluded.zone, {_SET}
"""  # noqa: S608


def count_marked(*, now: datetime) -> int:
    """Count what is marked, slot by slot, and the days that the slots lie in; how many slots."""
    last = (datetime.min.replace(tzinfo=now.tzinfo, year=1970), uuid.UUID(int=0))
    total = 0
    while slots := _count(last, now=now):
        total, last = total + len(slots), slots[-1]
        if len(slots) < AT_ONCE:
            break
    return total


@transaction.atomic
def _count(after: tuple[datetime, uuid.UUID], *, now: datetime) -> list[tuple[datetime, uuid.UUID]]:
    values: dict[str, Any] = {
        "start": after[0],
        "instance": after[1],
        "limit": AT_ONCE,
        "slot": SLOT,
        "over_before": now - SLOT - timedelta(minutes=1),
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute(_COUNT_SLOTS, values)
        slots = [(start, instance) for start, instance in cursor.fetchall()]
        _count_days(slots)
    return slots


def _count_days(slots: Collection[tuple[datetime, uuid.UUID]]) -> None:
    moments = [(instance, start) for start, instance in slots]
    clocks = client_days.clocks_of({instance for instance, _ in moments})
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_DAYS, client_days.days(moments, clocks).values)
