"""Writing down what apps used: each event once, whenever and however often it is sent."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from django.conf import settings
from django.db import connection

from hosting.models import UsageToken
from hosting.selectors.measuring import usage_limits, usage_meters
from hosting.services.measuring import usage_tokens
from hosting.services.measuring.usage_checks import Event, Refusal, Rules, Usage, check

# One statement, and so all of it or nothing. Keys are taken in order, so that two senders of the
# same events wait for one another and not both. The digest leaves the time out.
_WRITE = """
WITH input AS (
    SELECT DISTINCT ON (digest) * FROM (
        SELECT *, encode(substring(sha256(convert_to(source || chr(31) || event_id, 'UTF8'))
                                   FROM 1 FOR 16), 'hex')::uuid AS digest
        FROM unnest(%b::timestamptz[], %b::text[], %b::text[], %b::float8[], %b::text[],
                    %b::bool[], %b::bigint[], %b::bigint[], %b::bigint[], %b::text[], %b::text[])
             WITH ORDINALITY AS given(at, meter, label, amount, key, is_level, input, output,
                                      cached, source, event_id, position)
    ) AS given ORDER BY digest, position
), fresh AS (
    INSERT INTO hosting_usagekey (instance_id, digest, received_at)
    SELECT %b, digest, %b FROM input ORDER BY digest
    ON CONFLICT DO NOTHING RETURNING digest
), kept AS (
    INSERT INTO hosting_usageevent (instance_id, digest, at, meter, label, amount, key, is_level,
                                    input, output, cached, source, event_id)
    SELECT %b, digest, at, meter, label, amount, key, is_level, input, output, cached, source,
           event_id
    FROM input JOIN fresh USING (digest) RETURNING at
), marked AS (
    INSERT INTO hosting_usagemark (instance_id, quarter)
    SELECT DISTINCT %b::uuid, date_bin('15 minutes', at, '2000-01-01 00:00:00+00') FROM kept
)
SELECT count(*) FROM kept
"""
_FORGET = """
DELETE FROM hosting_usagekey WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM hosting_usagekey WHERE received_at < %s ORDER BY received_at LIMIT %s
))
"""
FORGET_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that is not counted: where it stood in the request, what it is called, and why."""

    index: int
    id: str | None
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request's events. Of the types in ``blocked`` nothing new is taken now."""

    accepted: int
    duplicates: int
    refused: Sequence[Refused]
    blocked: Sequence[str]


@dataclass(frozen=True, slots=True)
class Unread:
    """An event that could not even be read; its id, where that could be made out."""

    id: str | None
    reason: str


def accept(*, token: UsageToken, events: Sequence[Event | Unread], now: datetime) -> Answer:
    """Count what can be counted of what the holder of the token reports; refuse the rest."""
    usage_tokens.note_use(token=token, now=now)
    rules = _rules(token, now)
    usages, refused = [], []
    for index, event in enumerate(events):
        if isinstance(event, Unread):
            refused.append(Refused(index, event.id, Refusal("malformed", event.reason)))
            continue
        found = check(event, rules)
        if isinstance(found, Refusal):
            refused.append(Refused(index, event.id, found))
        else:
            usages.append(found)
    accepted = write(instance_id=token.instance_id, usages=usages, now=now)
    blocked = sorted(name for name, (_, until) in rules.blocked.items() if now < until)
    return Answer(accepted, len(usages) - accepted, refused, blocked)


def write(*, instance_id: uuid.UUID, usages: Sequence[Usage], now: datetime) -> int:
    """Write down what was not there yet; how many those are. One round trip."""
    if not usages:
        return 0
    columns = [list(column) for column in zip(*(_columns(each) for each in usages), strict=True)]
    values = (*columns, instance_id, now, instance_id, instance_id)
    # Past Django's cursor, which would write all values into the statement, as text.
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        psycopg.Cursor(cursor.connection) as direct,
    ):
        found = direct.execute(_WRITE, values, prepare=True).fetchone()
    return int(found[0]) if found else 0


def forget_keys(*, before: datetime) -> int:
    """Forget that events were counted that came before then, a part at a time; how many.

    What is sent again even later is too old to be counted, unless its time was changed too.
    """
    forgotten = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(_FORGET, [before, FORGET_AT_ONCE])
            part: int = cursor.rowcount
            forgotten += part
            if part < FORGET_AT_ONCE:
                return forgotten


def _columns(usage: Usage) -> tuple[object, ...]:
    return (
        usage.at,
        usage.meter,
        usage.label,
        usage.amount,
        usage.key,
        usage.is_level,
        usage.input,
        usage.output,
        usage.cached,
        usage.source,
        usage.event_id,
    )


def _rules(token: UsageToken, now: datetime) -> Rules:
    return Rules(
        instance_id=token.instance_id,
        existed_at=token.instance.created_at,
        oldest=settings.BERTH_USAGE_OLDEST,
        now=now,
        meters=usage_meters.of_instance(token.instance_id),
        blocked=usage_limits.blocked(token.instance),
    )
