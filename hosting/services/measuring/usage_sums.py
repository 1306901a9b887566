"""Summing up what apps used: quarters of an hour, and from them the client's days and months.

A span that got an event is computed anew as a whole, from all its events: so a sum is never wrong
for having been added to twice, and an event that comes late or in no order changes its own span.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from hosting.selectors import client_days
from hosting.services.measuring import usage_sums_sql as sql

LOCK = 0x42657274680005  # pg_advisory_xact_lock: who sums up does it alone
MARKS_AT_ONCE = 5_000
ROUNDS_AT_MOST = 200

Quarters = Sequence[tuple[uuid.UUID, datetime]]
_UNITS = {"day": client_days.days, "month": client_days.months}


def sum_up(*, now: datetime) -> int:
    """Compute all spans anew that got events since the last time; how many quarters those were.

    Where somebody else is at it, nothing is done.
    """
    done = 0
    for _ in range(ROUNDS_AT_MOST):
        quarters = _round(now)
        done += len(quarters)
        if not quarters:
            break
    return done


@transaction.atomic
def _round(now: datetime) -> Quarters:
    """Take some marks, and compute what they are on. All of it, or the marks stay."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return ()
        cursor.execute(sql.TAKE_MARKS, [MARKS_AT_ONCE])
        quarters: Quarters = cursor.fetchall()
        if not quarters:
            return ()
        # What a level was before holds into the span of the next one.
        cursor.execute(sql.NEXT_LEVELS, _arrays(quarters))
        quarters = sorted({*quarters, *cursor.fetchall()})
        arrays = _arrays(quarters)
        cursor.execute(sql.CLEAR_QUARTERS, arrays)
        cursor.execute(sql.FILL_QUARTERS, {**arrays, "now": now})
        cursor.execute(sql.MEANS_OF_QUARTERS, arrays)
        # By the clock of the instance's client: a quarter lies in one day in every time zone.
        clocks = client_days.clocks_of({instance for instance, _ in quarters})
        for unit, spans_of in _UNITS.items():
            spans = spans_of(quarters, clocks).values
            for statement in sql.DAYS_AND_MONTHS[unit]:
                cursor.execute(statement, {**spans, "unit": unit, "now": now})
    return quarters


def _arrays(quarters: Quarters) -> dict[str, Any]:
    return {
        "instances": [instance for instance, _ in quarters],
        "quarters": [quarter for _, quarter in quarters],
    }
