"""What a round over a server's containers showed: whether those of each instance are well.

The round is the one that reads what they use, so it costs the engine nothing more. Whether a look
counts is decided as for looks at the app (``health``). Which incident comes of it is settled by
``part_outages``.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Coalesce

from hosting.engines.observed import Reading
from hosting.models import Crash, Server
from hosting.selectors.watching import targets
from hosting.services.watching import container_rules, excuses_sql
from hosting.services.watching.container_rules import Fault
from hosting.services.watching.excuses_sql import JUDGED

# The engine's event may be a little older than the first look that found the container ended.
TOLD_BEFORE = timedelta(minutes=1)

_WRITE = f"""
WITH given AS (
    SELECT g.*, %(at)s::timestamptz AS at, %(ended_at)s::timestamptz AS ended_at,
        faults = '' AS is_up
    FROM unnest(
        %(instances)s::uuid[], %(running)s::int[], %(total)s::int[], %(faults)s::text[],
        %(states)s::text[]
    ) AS g (instance_id, running, total, faults, states)
), {JUDGED}, stored AS (
    INSERT INTO hosting_containerlook (instance_id, at, is_well, faults, excuse)
    SELECT j.instance_id, j.at, j.is_up, j.faults, j.excuse FROM judged j
    LEFT JOIN hosting_containerhealth h ON h.instance_id = j.instance_id
    WHERE NOT j.is_up OR NOT h.is_well
    ON CONFLICT DO NOTHING
)
INSERT INTO hosting_containerhealth AS h (
    instance_id, at, is_well, running, total, faults, states, failures, successes, failing_since,
    is_failing
)
SELECT instance_id, at, is_up, running, total, faults, states::jsonb, (NOT is_up)::int, is_up::int,
    CASE WHEN NOT is_up THEN at END, NOT is_up AND %(open_after)s <= 1
FROM judged WHERE excuse = '' OR is_up ORDER BY instance_id
ON CONFLICT (instance_id) DO UPDATE SET
    at = excluded.at, is_well = excluded.is_well, running = excluded.running,
    total = excluded.total, faults = excluded.faults, states = excluded.states,
    failures = CASE WHEN excluded.is_well THEN 0 ELSE h.failures + 1 END,
    successes = CASE WHEN excluded.is_well THEN h.successes + 1 ELSE 0 END,
    failing_since = CASE
        WHEN NOT excluded.is_well THEN coalesce(h.failing_since, excluded.at)
        WHEN h.is_failing AND h.successes + 1 < %(close_after)s THEN h.failing_since END,
    is_failing = CASE
        WHEN excluded.is_well THEN h.is_failing AND h.successes + 1 < %(close_after)s
        ELSE h.is_failing OR h.failures + 1 >= %(open_after)s END
WHERE excluded.at > h.at
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class _Seen:
    """The containers of one instance."""

    instance: uuid.UUID
    total: int
    running: int
    faults: tuple[Fault, ...]


def record(
    *, server: Server, readings: Mapping[str, Reading], at: datetime, ended_at: datetime
) -> None:
    """Write down how the containers stood, of the server's instances that are to run.

    ``at`` is when the server was asked, ``ended_at`` when it had answered. Two queries, and one
    more where something is not well.
    """
    seen = list(_seen(server, readings))
    if not seen:
        return
    guilty = _out_of_memory([each.instance for each in seen if each.faults], at)
    values = {
        "at": at,
        "ended_at": ended_at,
        "instances": [each.instance for each in seen],
        "running": [each.running for each in seen],
        "total": [each.total for each in seen],
        "faults": [
            container_rules.spoken(each.faults, guilty.get(each.instance, ())) for each in seen
        ],
        "states": [json.dumps(container_rules.states(each.faults)) for each in seen],
        "open_after": settings.BERTH_PROBE_FAILURES,
        "close_after": settings.BERTH_PROBE_SUCCESSES,
        **excuses_sql.values(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, values)


def _seen(server: Server, readings: Mapping[str, Reading]) -> Iterable[_Seen]:
    """Those that were read and are to run, beside what they are to have since their last change."""
    watched = targets.watched().filter(server=server)
    for pk, services in watched.values_list("pk", "expected__services"):
        reading = readings.get(str(pk))
        if reading is not None and services:
            expected = {name: spec for name, (spec, _) in services.items()}
            found = container_rules.faults(expected, reading.standings)
            running = container_rules.running(expected, found)
            yield _Seen(pk, len(expected), running, found)


def _out_of_memory(instances: Sequence[uuid.UUID], at: datetime) -> dict[uuid.UUID, set[str]]:
    """The services that the engine told ran out of memory, since they were first seen not well."""
    if not instances:
        return {}
    since = Coalesce(F("instance__container_health__failing_since"), at)
    crashes = Crash.objects.filter(
        instance__in=instances, kind=Crash.Kind.OUT_OF_MEMORY, at__gte=since - TOLD_BEFORE
    )
    found: dict[uuid.UUID, set[str]] = {}
    for instance, service in crashes.values_list("instance", "service").distinct().order_by():
        found.setdefault(instance, set()).add(service)
    return found
