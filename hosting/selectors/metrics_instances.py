"""Every client's instance in numbers, for Prometheus: apart from Berth's own, as they are many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Any

from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from prometheus_client.metrics_core import Metric

from hosting.models import Backup, Incident, Instance, Journal, RestoreTest
from hosting.selectors.gauges import GIB, MIB, gauge

LABELS = ("client", "name")
Row = dict[str, Any]
_NOW = (
    *("cpu_cores", "memory_bytes", "volume_bytes", "at"),
    *("network_received_per_second", "network_sent_per_second"),
)


def of_instances(*, now: datetime) -> Iterator[Metric]:
    """What ``/metrics/instances`` says; one query."""
    rows = list(_rows())
    info = gauge(
        "instance_info", "1; what the instance is.", *LABELS, "app", "version", "plan", "server"
    )
    for row in rows:
        names = ("client__slug", "name", "app", "version", "plan__slug", "server__name")
        info.add_metric([str(row[each]) for each in names], 1)
    yield info
    for name, what, read in _VALUES:
        metric = gauge(f"instance_{name}", what, *LABELS)
        for row in rows:
            if (value := _number(read(row))) is not None:
                metric.add_metric((str(row["client__slug"]), str(row["name"])), value)
        yield metric


def _rows() -> QuerySet[Instance, Row]:
    """Of everything that is not deleted."""
    its = OuterRef("pk")
    proven = Backup.objects.filter(
        instance=its, verified_at__isnull=False, removed_at=None
    ).order_by("-taken_at")
    passed = RestoreTest.objects.filter(backup__instance=its, passed=True).order_by("-ended_at")
    journals = Journal.objects.filter(instance=its, ended_at=None, is_unkept=False)
    rows = Instance.objects.filter(purpose=Instance.Purpose.CLIENT)
    found: QuerySet[Instance, Row] = (
        rows.exclude(state=Instance.State.DELETED)
        .annotate(
            proven_at=Subquery(proven.values("taken_at")[:1]),
            tested_at=Subquery(passed.values("ended_at")[:1]),
            archived_until=Subquery(
                journals.order_by(F("archived_until").asc()).values("archived_until")[:1]
            ),
            is_unwell=Exists(Incident.objects.filter(instance=its, closed_at=None)),
        )
        .order_by("client__slug", "name")
        .values(
            *("client__slug", "name", "app", "version", "plan__slug", "server__name", "state"),
            *("plan__cpus", "plan__memory_mb", "plan__disk_gb", "is_routed", "repairs"),
            *(f"resource_now__{each}" for each in _NOW),
            *("health__is_up", "health__ms"),
            *("proven_at", "tested_at", "archived_until", "is_unwell"),
        )
    )
    return found


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _number(value: Any) -> float | None:
    if isinstance(value, datetime):
        return value.timestamp()
    return None if value is None else float(value)


_VALUES: tuple[tuple[str, str, Callable[[Row], Any]], ...] = (
    ("running", "1 while it is known to run.", lambda row: row["state"] == "running"),
    ("degraded", "1 while a part of it is away.", lambda row: row["state"] == "degraded"),
    ("failed", "1 where it could not be set up.", lambda row: row["state"] == "failed"),
    ("incident_open", "1 while an incident of it goes on.", itemgetter("is_unwell")),
    ("routed", "1 while the edge forwards to it.", itemgetter("is_routed")),
    ("repairs", "How often in a row it was put right.", itemgetter("repairs")),
    ("plan_cpus", "CPUs of its plan.", itemgetter("plan__cpus")),
    ("plan_memory_bytes", "Memory of its plan.", lambda row: row["plan__memory_mb"] * MIB),
    ("plan_disk_bytes", "Disk of its plan.", lambda row: row["plan__disk_gb"] * GIB),
    ("up", "Whether it answered when last asked.", itemgetter("health__is_up")),
    ("response_seconds", "How long its last answer took.", lambda row: _seconds(row["health__ms"])),
    ("used_cpus", "CPUs that it used in the last minute.", itemgetter("resource_now__cpu_cores")),
    ("used_memory_bytes", "Memory that it uses.", itemgetter("resource_now__memory_bytes")),
    ("used_disk_bytes", "What its volumes hold.", itemgetter("resource_now__volume_bytes")),
    (
        "received_bytes_per_second",
        "What its network brought in.",
        itemgetter("resource_now__network_received_per_second"),
    ),
    (
        "sent_bytes_per_second",
        "What its network took out.",
        itemgetter("resource_now__network_sent_per_second"),
    ),
    ("sampled_timestamp_seconds", "When its usage was last read.", itemgetter("resource_now__at")),
    (
        "backup_timestamp_seconds",
        "The moment that its last proven backup is of.",
        itemgetter("proven_at"),
    ),
    (
        "restore_test_timestamp_seconds",
        "When a backup of it was last brought back.",
        itemgetter("tested_at"),
    ),
    (
        "journal_timestamp_seconds",
        "Until when the store holds the journal of its databases.",
        itemgetter("archived_until"),
    ),
)
