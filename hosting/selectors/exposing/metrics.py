"""Berth itself in numbers, for Prometheus: what is asked for, what waits, what is late.

Everything is read from the database at the moment of asking, in a number of queries that does not
grow. Whatever can be missing is missing here too: a time that never came is no row, not a zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Max, Min, Q
from prometheus_client.metrics_core import Metric

from hosting.models import (
    Chore,
    DirtyQuarter,
    EdgeState,
    Health,
    HealthMark,
    Incident,
    Instance,
    Journal,
    LimitWarning,
    Operation,
    UsageMark,
)
from hosting.selectors.exposing import metrics_containers, metrics_servers
from hosting.selectors.exposing.gauges import gauge, seconds_since
from hosting.selectors.saving import backups, restore_tests

LATELY = timedelta(hours=1)
QUARTER = timedelta(minutes=15)


def of_berth(*, now: datetime) -> Iterator[Metric]:
    """What ``/metrics`` says."""
    yield from _operations(now)
    yield from _instances(now)
    yield from _incidents(now)
    yield metrics_containers.of_containers(now=now)
    yield from metrics_servers.of_servers(now=now)
    yield from _chores(now)
    yield from _behind(now)
    yield from _health()


def _operations(now: datetime) -> Iterator[Metric]:
    active = gauge("operations_active", "Operations that have not ended.", "kind", "state")
    waiting = Q(state=Operation.State.QUEUED)
    due = (waiting & Q(run_after__lte=now)) | (
        Q(state=Operation.State.RUNNING) & Q(lease_expires_at__lte=now)
    )
    going_on = Operation.objects.filter(state__in=("queued", "running")).order_by()
    counts = dict.fromkeys(
        ((kind, state) for kind in Operation.Kind.values for state in ("queued", "running")), 0
    )
    for kind, state, count in going_on.values_list("kind", "state").annotate(Count("pk")):
        counts[kind, state] = count
    for labels, count in counts.items():
        active.add_metric(labels, count)
    yield active
    found = going_on.aggregate(
        due=Count("pk", filter=due),
        oldest_due=Min("run_after", filter=due),
        oldest_queued=Min("requested_at", filter=waiting),
    )
    yield gauge("operations_due", "Operations that nobody works on.", value=found["due"])
    yield gauge(
        "operations_oldest_due_seconds",
        "For how long the operation that is due longest has been due; 0 where none is.",
        value=seconds_since(found["oldest_due"], now),
    )
    yield gauge(
        "operations_oldest_queued_seconds",
        "How long ago the operation that waits longest was asked for; 0 where none waits.",
        value=seconds_since(found["oldest_queued"], now),
    )
    yield _ended(now)


def _ended(now: datetime) -> Metric:
    ended = gauge(
        "operations_ended_lately", "Operations that ended in the last hour.", "kind", "state"
    )
    states = ("succeeded", "failed", "cancelled")
    counts = dict.fromkeys(((kind, state) for kind in Operation.Kind.values for state in states), 0)
    lately = Operation.objects.filter(finished_at__gt=now - LATELY).order_by()
    for kind, state, count in lately.values_list("kind", "state").annotate(Count("pk")):
        counts[kind, state] = count
    for labels, count in counts.items():
        ended.add_metric(labels, count)
    return ended


def _instances(now: datetime) -> Iterator[Metric]:
    states = gauge("instances", "The clients' instances that are not deleted.", "state")
    theirs = Instance.objects.filter(purpose=Instance.Purpose.CLIENT).order_by()
    there = theirs.exclude(state=Instance.State.DELETED)  # by its index
    counts = dict(there.values_list("state").annotate(Count("pk")))
    for state in Instance.State.values:
        if state != Instance.State.DELETED:
            states.add_metric((state,), counts.get(state, 0))
    yield states
    yield gauge(
        "backups_overdue",
        "Instances whose last proven backup is older than BERTH_BACKUP_MAX_AGE_HOURS.",
        value=backups.overdue(now=now).count(),
    )
    yield gauge(
        "restore_tests_overdue",
        "Instances of which no backup was brought back for BERTH_RESTORE_TEST_MAX_AGE_DAYS.",
        value=restore_tests.overdue(now=now).count(),
    )
    yield gauge(
        "backup_max_age_seconds",
        "How old an instance's last proven backup may be.",
        value=settings.BERTH_BACKUP_MAX_AGE.total_seconds(),
    )


def _incidents(now: datetime) -> Iterator[Metric]:
    number = gauge("incidents_open", "Incidents that go on.", "kind")
    oldest = gauge(
        "incidents_oldest_seconds", "For how long the oldest of them has gone on.", "kind"
    )
    going_on = Incident.objects.filter(closed_at=None).order_by().values_list("kind")
    found = {
        kind: (count, since)
        for kind, count, since in going_on.annotate(Count("pk"), Min("opened_at"))
    }
    for kind in Incident.Kind.values:
        count, since = found.get(kind, (0, None))
        number.add_metric((kind,), count)
        oldest.add_metric((kind,), seconds_since(since, now))
    yield number
    yield oldest


def _chores(now: datetime) -> Iterator[Metric]:
    late = gauge("chore_late_seconds", "For how long work that comes back has been due.", "chore")
    failing = gauge("chore_failing", "1 where it failed the last time.", "chore")
    ended = gauge("chore_ended_timestamp_seconds", "When it was last done.", "chore")
    for chore in Chore.objects.all():
        late.add_metric((chore.name,), seconds_since(chore.due_at, now))
        failing.add_metric((chore.name,), float(bool(chore.last_error)))
        if chore.last_ended_at:
            ended.add_metric((chore.name,), chore.last_ended_at.timestamp())
    yield late
    yield failing
    yield ended


def _behind(now: datetime) -> Iterator[Metric]:
    journals = Journal.objects.filter(ended_at=None, is_unkept=False)
    oldest = journals.aggregate(oldest=Min("archived_until"))["oldest"]
    yield gauge(
        "journals_oldest_seconds",
        "How far the store is behind the database whose journal is furthest behind.",
        value=seconds_since(oldest, now),
    )
    edge = EdgeState.objects.first()
    yield gauge(
        "edge_revisions_behind",
        "Changes that the edge does not show yet.",
        value=edge.wanted - edge.live if edge else 0,
    )
    yield from _usage_behind(now)


def _usage_behind(now: datetime) -> Iterator[Metric]:
    yield gauge(
        "rollups_oldest_seconds",
        "For how long the oldest quarter of an hour has waited to be rolled up; 0 where none does.",
        value=_since_quarter(DirtyQuarter.objects.aggregate(at=Min("at"))["at"], now),
    )
    yield gauge(
        "health_oldest_seconds",
        "The same, of looks at instances that wait to be counted.",
        value=_since_quarter(HealthMark.objects.aggregate(at=Min("start"))["at"], now),
    )
    marks = UsageMark.objects.aggregate(number=Count("pk"))
    yield gauge(
        "usage_quarters_unsummed",
        "Quarters of an hour with reported usage that is not summed up.",
        value=marks["number"],
    )


def _since_quarter(start: datetime | None, now: datetime) -> float:
    return seconds_since(start + QUARTER, now) if start else 0.0


def _health() -> Iterator[Metric]:
    found = Health.objects.aggregate(newest=Max("at"), down=Count("pk", filter=Q(is_down=True)))
    probed = gauge("probed_timestamp_seconds", "When any instance was last asked if it answers.")
    if found["newest"]:
        probed.add_metric((), found["newest"].timestamp())
    yield probed
    yield gauge("instances_down", "Instances that do not answer.", value=found["down"])
    warnings = gauge("limit_warnings_open", "Instances that come near a limit.", "kind")
    going_on = LimitWarning.objects.filter(closed_at=None).order_by().values_list("kind")
    counts = dict(going_on.annotate(Count("pk")))
    for kind in LimitWarning.Kind.values:
        warnings.add_metric((kind,), counts.get(kind, 0))
    yield warnings
