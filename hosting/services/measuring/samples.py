"""Readings of servers: whose turn it is, and writing down what was read.

A round costs the same few queries however many instances a server has.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest, Now

from hosting.engines.observed import Usage
from hosting.models import Crash, Instance, Server
from hosting.services import repairs

LATE = timedelta(minutes=1)  # a reading that is older changes the quarters beside its own as well

# A mark that is there already is locked, and not written: whoever rolls up passes it over, as the
# readings are not to be seen before the statement's end. Unlocked, it could be taken without them.
_RECORD = """
WITH kept AS (
    INSERT INTO hosting_sample (
        instance_id, at, service, container, cpu_microseconds, cpu_periods, throttled_periods,
        throttled_microseconds, memory_bytes, memory_limit_bytes, network_received_bytes,
        network_sent_bytes, disk_read_bytes, disk_written_bytes, pids
    )
    SELECT * FROM unnest(
        %s::uuid[], %s::timestamptz[], %s::text[], %s::int[], %s::bigint[], %s::bigint[],
        %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
        %s::bigint[], %s::bigint[], %s::int[]
    )
    ON CONFLICT DO NOTHING
    RETURNING instance_id, at
),
moments AS (SELECT DISTINCT instance_id, at FROM kept)
INSERT INTO hosting_dirtyquarter (instance_id, at)
SELECT DISTINCT instance_id, quarter + date_bin('15 min', at, '2000-01-01 00:00Z')
FROM moments, unnest('{-15 min,0,15 min}'::interval[]) AS quarter
WHERE quarter = '0' OR at < %s
ON CONFLICT (instance_id, at) DO UPDATE SET at = excluded.at WHERE false
"""
_RECORD_VOLUMES = """
WITH measured AS (
    SELECT instance_id, %(at)s::timestamptz AS at, used_bytes
    FROM unnest(%(instances)s::uuid[], %(sizes)s::bigint[]) AS measured(instance_id, used_bytes)
),
kept AS (
    INSERT INTO hosting_volumesample (instance_id, at, used_bytes)
    SELECT instance_id, at, used_bytes FROM measured ON CONFLICT DO NOTHING
)
INSERT INTO hosting_resourcenow (instance_id, volume_bytes, volume_at)
SELECT instance_id, used_bytes, at FROM measured
ON CONFLICT (instance_id) DO UPDATE
SET volume_bytes = excluded.volume_bytes, volume_at = excluded.volume_at
"""


def take_round(*, server: Server) -> bool:
    """Whether the caller is to read the server now: due, answering, and taken by nobody else."""
    return _take(server, "sample_at", settings.BERTH_SAMPLE_EVERY)


def take_volumes(*, server: Server) -> bool:
    """The same for how much its volumes hold."""
    return _take(server, "volumes_at", settings.BERTH_VOLUMES_EVERY)


def _take(server: Server, due_at: str, every: timedelta) -> bool:
    due = Server.objects.filter(pk=server.pk, retry_at=None, **{f"{due_at}__lte": Now()})
    # Counted from when it was due, so that rounds keep their distance; late ones are not made up.
    return bool(due.update(**{due_at: Greatest(F(due_at) + every, Now() + every / 2)}))


def to_read(*, server: Server) -> tuple[str, ...]:
    """The labels of the server's instances; those whose volumes were measured longest ago first."""
    held = Instance.objects.filter(server=server).exclude(state=Instance.State.DELETED)
    oldest = held.order_by(F("resource_now__volume_at").asc(nulls_first=True))
    return tuple(str(pk) for pk in oldest.values_list("pk", flat=True))


def record(*, server: Server, usages: Mapping[str, tuple[Usage, ...]], now: datetime) -> int:
    """Write down one round's readings, and mark their quarters for being rolled up; how many.

    The same readings a second time change nothing. Readings may be late.
    """
    rows = [_row(instance, usage) for instance, each in usages.items() for usage in each]
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(_RECORD, [*columns, now - LATE])
    Server.objects.filter(pk=server.pk).update(sampled_at=now)
    return len(rows)


def record_volumes(*, sizes: Mapping[str, int], at: datetime) -> None:
    """Write down how much the volumes of instances hold."""
    values: dict[str, Any] = {"at": at, "instances": [*sizes], "sizes": [*sizes.values()]}
    with connection.cursor() as cursor:
        cursor.execute(_RECORD_VOLUMES, values)


def record_crash(*, instance: str, service: str, kind: Crash.Kind, at: datetime) -> None:
    """A container of that label ended by itself, or ran out of memory. Told twice, it counts once.

    What belongs to no instance is passed over.
    """
    known = Instance.objects.filter(pk__in=repairs.uuids([instance]))
    Crash.objects.bulk_create(
        [Crash(instance=each, service=service, kind=kind, at=at) for each in known.only("pk")],
        ignore_conflicts=True,
    )


def _row(instance: str, usage: Usage) -> tuple[object, ...]:
    """In the order of ``_RECORD``'s columns."""
    return (
        instance,
        usage.read_at,
        usage.service,
        zlib.crc32(usage.container_id.encode()) - 2**31,
        round(usage.cpu_seconds * 1_000_000),
        usage.cpu_periods,
        usage.throttled_periods,
        round(usage.throttled_seconds * 1_000_000),
        usage.memory_bytes,
        usage.memory_limit_bytes,
        usage.network_received_bytes,
        usage.network_sent_bytes,
        usage.disk_read_bytes,
        usage.disk_written_bytes,
        usage.pids,
    )
