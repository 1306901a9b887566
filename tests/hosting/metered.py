"""Readings of instances in tests, as a server's engine would give them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hosting.engines.observed import Usage
from hosting.models import Instance
from hosting.services.measuring import samples

MB = 1_000_000
ZERO = Usage(
    service="web",
    read_at=datetime(2026, 1, 1, tzinfo=UTC),
    cpu_seconds=0,
    memory_bytes=100 * MB,
    network_received_bytes=0,
    network_sent_bytes=0,
    disk_read_bytes=0,
    disk_written_bytes=0,
    pids=1,
    container_id="a",
    memory_limit_bytes=200 * MB,
)


def reading(at: datetime, *, cpu: float = 0, memory: int = 100 * MB, **other: object) -> Usage:
    """Of one container, with that much CPU used since its start."""
    return replace(ZERO, read_at=at, cpu_seconds=cpu, memory_bytes=memory, **other)  # type: ignore[arg-type]


def record(instance: Instance, *readings: Usage, now: datetime | None = None) -> None:
    """Write them down; on time unless it is said when."""
    samples.record(
        server=instance.server,
        usages={str(instance.pk): readings},
        now=now or readings[0].read_at,
    )


def steady(
    since: datetime, until: datetime, *, cores: float, every: float = 15, start: float = 0
) -> Iterable[Usage]:
    """Readings of a container that uses so many cores all the time, both ends included."""
    at = since
    while at <= until:
        yield reading(at, cpu=start + cores * (at - since).total_seconds())
        at += timedelta(seconds=every)
