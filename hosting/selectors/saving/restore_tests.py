"""Reading restore tests: what they said, and of which instances none was made lately."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from hosting.models import Incident, Instance, RestoreTest
from hosting.selectors import trials


def told() -> QuerySet[RestoreTest]:
    """Those that said something of their backup, newest first: one that was called off did not."""
    return (
        RestoreTest.objects.exclude(ended_at=None).exclude(trials.CALLED_OFF).order_by("-ended_at")
    )


def last_of(instance: Instance) -> RestoreTest | None:
    """What was last said of any backup of the instance."""
    return told().filter(backup__instance=instance).first()


def for_staff() -> QuerySet[RestoreTest]:
    """All there ever were, with what a list shows of them, and their operations."""
    found = RestoreTest.objects.select_related("backup__instance__client", "scratch")
    return found.defer(*trials.UNSHOWN).prefetch_related(trials.with_operations())


def is_going_on(instance: Instance) -> bool:
    """Whether a backup of the instance is just being brought back."""
    return RestoreTest.objects.filter(backup__instance=instance, passed=None).exists()


def due(*, now: datetime) -> QuerySet[Instance]:
    """Instances none of whose backups was brought back lately, or the last one could not be.

    Without those of which one is just being brought back.
    """
    going_on = _its().filter(passed=None)
    failed = Incident.objects.filter(
        kind=Incident.Kind.RESTORE_TEST_FAILED, instance=OuterRef("pk"), closed_at=None
    )
    lately = _its().filter(passed=True, ended_at__gt=now - settings.BERTH_RESTORE_TEST_EVERY)
    return _to_be_tested().filter(~Exists(going_on)).filter(~Exists(lately) | Exists(failed))


def overdue(*, now: datetime) -> QuerySet[Instance]:
    """Instances none of whose backups was brought back for too long."""
    latest = now - settings.BERTH_RESTORE_TEST_MAX_AGE
    lately = _its().filter(passed=True, ended_at__gte=latest)
    return _to_be_tested().filter(first_running_at__lt=latest).filter(~Exists(lately))


def may_be_tested() -> QuerySet[Instance]:
    """Instances whose backups somebody may come to need, and may have brought up.

    Backups of an inactive client are still made, but its apps run nowhere.
    """
    return (
        Instance.objects.filter(
            purpose=Instance.Purpose.CLIENT,
            first_running_at__isnull=False,
            delete_requested_at=None,
            client__is_active=True,
        )
        .exclude(state=Instance.State.DELETED)
        .select_related("client")
    )


def _to_be_tested() -> QuerySet[Instance]:
    """The same, with ``passed_at`` and ``tried_at``: when a test last passed, and last ended."""
    ended = _its().filter(ended_at__isnull=False).order_by("-ended_at").values("ended_at")
    return may_be_tested().annotate(
        passed_at=Subquery(ended.filter(passed=True)[:1]), tried_at=Subquery(ended[:1])
    )


def _its() -> QuerySet[RestoreTest]:
    """Those of any backup of the instance that is asked about."""
    return RestoreTest.objects.filter(backup__instance=OuterRef("pk"))
