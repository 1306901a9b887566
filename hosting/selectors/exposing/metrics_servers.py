"""Servers in numbers, for Prometheus; two queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from prometheus_client.metrics_core import Metric

from hosting.models import Server
from hosting.selectors.exposing.gauges import GIB, MIB, gauge
from hosting.selectors.measuring import resources

_ON_SERVERS = (
    ("server_instances", "Instances on the server, its trials included.", "instance_count", 1),
    ("server_cpus", "CPUs that may be given away.", "cpus", 1),
    ("server_reserved_cpus", "CPUs that plans have taken.", "reserved_cpus", 1),
    ("server_memory_bytes", "Memory that may be given away.", "memory_mb", MIB),
    ("server_reserved_memory_bytes", "Memory taken by plans.", "reserved_memory_mb", MIB),
    ("server_disk_bytes", "Disk that may be given away.", "disk_gb", GIB),
    ("server_reserved_disk_bytes", "Disk that plans have taken.", "reserved_disk_gb", GIB),
    ("server_disk_free_bytes", "Disk that was free when last looked.", "disk_free_bytes", 1),
    ("server_breaker_open", "1 while it is left alone as it does not answer.", "is_silent", 1),
    ("server_failures", "How often in a row it did not answer.", "failures", 1),
    ("server_answered_timestamp_seconds", "When it last answered.", "last_answered_at", 1),
    ("server_reconciled_timestamp_seconds", "When it was last compared.", "reconciled_at", 1),
    ("server_events_timestamp_seconds", "Until when its events are known.", "events_until", 1),
    ("server_sampled_timestamp_seconds", "When its usage was last read.", "sampled_at", 1),
)
_USED = (
    ("server_used_cpus", "CPUs that its instances used in the last minute.", "used_cpus"),
    ("server_used_memory_bytes", "Memory that they use.", "used_memory_bytes"),
    ("server_used_disk_bytes", "Disk that their volumes hold.", "used_disk_bytes"),
)


def of_servers(*, now: datetime) -> Iterator[Metric]:
    """What they have, what is reserved of it, what is used, and when they were last seen."""
    uses = resources.fleet(Server.objects.order_by("name"), now=now)
    servers = [use.server for use in uses]
    for name, what, field, factor in _ON_SERVERS:
        metric = gauge(name, what, "server")
        for server in servers:
            if (value := _number(getattr(server, field))) is not None:
                metric.add_metric((server.name,), value * factor)
        yield metric
    for name, what, field in _USED:
        metric = gauge(name, what, "server")
        for use in uses:
            metric.add_metric((use.server.name,), getattr(use, field))
        yield metric
    yield _availability(servers)


def _availability(servers: Iterable[Server]) -> Metric:
    kinds = gauge("server_availability", "1 for what the server is.", "server", "availability")
    for server in servers:
        for kind in Server.Availability.values:
            kinds.add_metric((server.name, kind), float(server.availability == kind))
    return kinds


def _number(value: Any) -> float | None:
    if isinstance(value, datetime):
        return value.timestamp()
    return None if value is None else float(value)
