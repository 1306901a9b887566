"""Every client's instance in numbers, for Prometheus: apart from Berth's own, as they are many.

So many that they are written as text at once, in Prometheus's format: made one by one, and put
together by its library, a hundred thousand values took longer than all the rest.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any

from django.db.models import Exists, F, Max, OuterRef, QuerySet, Subquery

from hosting.models import Backup, Incident, Instance, Journal, RestoreTest
from hosting.selectors.exposing.gauges import GIB, MIB
from hosting.selectors.measuring.resources import LATELY

Row = Mapping[str, Any]
_OWN = {"client": "client__slug", "name": "name"}
_INFO = {
    "app": "app",
    "client": "client__slug",
    "name": "name",
    "plan": "plan__slug",
    "server": "server__name",
    "version": "version",
}
_READ = "When what follows was read: up to two minutes ago."
_MOMENTARY = (
    *("cpu_cores", "memory_bytes"),
    *("network_received_per_second", "network_sent_per_second"),
)
_NOW = (*_MOMENTARY, "volume_bytes", "at")
_UNKNOWN = dict.fromkeys(f"resource_now__{each}" for each in _MOMENTARY)


def of_instances(*, now: datetime) -> Iterator[str]:
    """What ``/metrics/instances`` says, one metric after the other; two queries."""
    yield _family("berth_instances_read_timestamp_seconds", _READ, [f" {now.timestamp()!r}"])
    rows = [_of_now(row, now) for row in _rows()]
    labels = [_labels(row, _OWN) for row in rows]
    infos = [f"{_labels(row, _INFO)} 1.0" for row in rows]
    yield _metric("info", "1; what the instance is.", infos)
    for name, what, read in _VALUES:
        lines = [
            f"{its} {value!r}"
            for its, row in zip(labels, rows, strict=True)
            if (value := _number(read(row))) is not None
        ]
        yield _metric(name, what, lines)


def _of_now(row: Row, now: datetime) -> Row:
    """Without what it used when it was last read, where that is long ago: it may be stopped."""
    at = row["resource_now__at"]
    return {**row, **_UNKNOWN} if at is None or at < now - LATELY else row


def _metric(name: str, what: str, lines: Iterable[str]) -> str:
    return _family(f"berth_instance_{name}", what, lines)


def _family(name: str, what: str, lines: Iterable[str]) -> str:
    head = f"# HELP {name} {what}\n# TYPE {name} gauge\n"
    return head + "".join([f"{name}{line}\n" for line in lines])


def _labels(row: Row, labels: Mapping[str, str]) -> str:
    its = ",".join([f'{label}="{_escaped(row[name])}"' for label, name in labels.items()])
    return f"{{{its}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _rows() -> Iterator[Row]:
    """Of everything that is not deleted."""
    its = OuterRef("pk")
    proven = Backup.objects.filter(instance=its, verified_at__isnull=False, removed_at=None)
    journals = Journal.objects.filter(instance=its, ended_at=None, is_unkept=False)
    rows = Instance.objects.filter(purpose=Instance.Purpose.CLIENT)
    found: QuerySet[Instance, Row] = (
        rows.exclude(state=Instance.State.DELETED)
        .annotate(
            proven_at=Subquery(proven.order_by("-taken_at").values("taken_at")[:1]),
            archived_until=Subquery(
                journals.order_by(F("archived_until").asc()).values("archived_until")[:1]
            ),
            is_unwell=Exists(Incident.objects.filter(instance=its, closed_at=None)),
        )
        .order_by("client__slug", "name")
        .values(
            *("pk", "client__slug", "name", "app", "version", "plan__slug", "server__name"),
            *("plan__cpus", "plan__memory_mb", "plan__disk_gb", "state", "is_routed", "repairs"),
            *(f"resource_now__{each}" for each in _NOW),
            *("health__is_up", "health__ms"),
            *("proven_at", "archived_until", "is_unwell"),
        )
    )
    tested = _tested()
    for row in found:
        yield {**row, "tested_at": tested.get(row["pk"])}


def _tested() -> dict[uuid.UUID, datetime]:
    """When each was last brought back: all at once, for tests know backups, and not instances."""
    passed = RestoreTest.objects.filter(passed=True).order_by()
    return dict(passed.values_list("backup__instance").annotate(Max("ended_at")))


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
