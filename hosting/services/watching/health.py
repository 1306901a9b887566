"""What looks at instances showed: written down, a second's worth at a time, and counted in a row.

Whether a look counts is decided where it is written, by what the database knows then: a look that
failed because an operation had begun meanwhile is no fault of the instance. One that was well amid
maintenance is no part of the uptime either, but what was down before is up again.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from hosting.services.watching import excuses_sql
from hosting.services.watching.excuses_sql import JUDGED

SLOT = timedelta(minutes=15)
LONGEST_ERROR = 200
# pg_advisory_xact_lock: a slot is counted while nobody writes to it; see measuring.rollups.
LOCK = 0x42657274680007


@dataclass(frozen=True, slots=True)
class Look:
    """What one look showed. ``at`` is when it was due, ``ended_at`` when it was over."""

    instance: uuid.UUID
    at: datetime
    ended_at: datetime
    is_up: bool
    is_answering: bool
    status: int | None
    ms: int | None
    public_status: int | None
    public_ms: int | None
    error: str


@dataclass(frozen=True, slots=True)
class Turn:
    """An instance that has failed, or is well again, often enough in a row."""

    instance: uuid.UUID
    is_down: bool


_TYPES = {
    "instance": "uuid",
    "at": "timestamptz",
    "ended_at": "timestamptz",
    "is_up": "boolean",
    "is_answering": "boolean",
    "status": "integer",
    "ms": "integer",
    "public_status": "integer",
    "public_ms": "integer",
    "error": "text",
}
_GIVEN = ", ".join(f"%({name})s::{each}[]" for name, each in _TYPES.items())
_WRITE = f"""
WITH given AS (
    SELECT * FROM unnest({_GIVEN}) AS g (
        instance_id, at, ended_at, is_up, is_answering, status, ms, public_status, public_ms, error
    )
), {JUDGED}, stored AS (
    INSERT INTO hosting_probe (
        instance_id, at, seconds, is_up, is_answering, status, ms, public_status, public_ms, error,
        excuse
    )
    SELECT instance_id, at, %(seconds)s, is_up, is_answering, status, ms, public_status, public_ms,
        error, excuse
    FROM judged ON CONFLICT DO NOTHING RETURNING *
), marked AS (
    INSERT INTO hosting_healthmark (start, instance_id)
    SELECT DISTINCT date_bin('15 minutes', at, 'epoch'), instance_id FROM stored
    ON CONFLICT DO NOTHING
), followed AS (
    INSERT INTO hosting_health AS h (
        instance_id, at, is_up, is_answering, status, ms, public_status, public_ms, error,
        failures, successes, failing_since, is_down
    )
    SELECT instance_id, at, is_up, is_answering, status, ms, public_status, public_ms, error,
        (NOT is_up)::int, is_up::int, CASE WHEN NOT is_up THEN at END, false
    FROM stored WHERE excuse = '' OR is_up
    ON CONFLICT (instance_id) DO UPDATE SET
        at = excluded.at, is_up = excluded.is_up, is_answering = excluded.is_answering,
        status = excluded.status, ms = excluded.ms, public_status = excluded.public_status,
        public_ms = excluded.public_ms, error = excluded.error,
        failures = CASE WHEN excluded.is_up THEN 0 ELSE h.failures + 1 END,
        successes = CASE WHEN excluded.is_up THEN h.successes + 1 ELSE 0 END,
        failing_since = CASE
            WHEN excluded.is_up THEN CASE WHEN h.is_down THEN h.failing_since END
            ELSE coalesce(h.failing_since, excluded.at) END
    WHERE excluded.at > h.at
    RETURNING instance_id, failures, successes, is_down
)
SELECT instance_id, NOT is_down FROM followed
WHERE (NOT is_down AND failures >= %(open_after)s) OR (is_down AND successes >= %(close_after)s)
"""  # noqa: S608


def record(*, looks: Sequence[Look]) -> list[Turn]:
    """Write the looks down; the instances whose turn it is to count as down, or as up again.

    A look that somebody else has written down already counts once. Those of one instance are taken
    in the order in which they were due.
    """
    turns: list[Turn] = []
    for wave in _waves(looks):
        turns += _record(wave)
    return turns


@transaction.atomic
def _record(looks: Sequence[Look]) -> list[Turn]:
    values: dict[str, Any] = {
        **{name: [getattr(each, name) for each in looks] for name in _TYPES},
        **excuses_sql.values(),
        "seconds": settings.BERTH_PROBE_SECONDS,
        "open_after": settings.BERTH_PROBE_FAILURES,
        "close_after": settings.BERTH_PROBE_SUCCESSES,
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [LOCK])
        cursor.execute(_WRITE, values)
        return [Turn(instance, is_down) for instance, is_down in cursor.fetchall()]


def _waves(looks: Iterable[Look]) -> list[list[Look]]:
    """One look an instance each; more than one wave only after the database was away."""
    waves: list[list[Look]] = []
    rank: dict[uuid.UUID, int] = {}
    for each in sorted(looks, key=lambda look: (look.at, look.instance)):
        number = rank[each.instance] = rank.get(each.instance, -1) + 1
        if number == len(waves):
            waves.append([])
        waves[number].append(each)
    return waves
