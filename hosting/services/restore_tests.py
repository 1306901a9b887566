"""Trying whether backups can be brought back: what is due, and what became of it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, Q

from hosting.models import Backup, Incident, Instance, RestoreTest
from hosting.selectors import backups
from hosting.services import clones, incidents, ordering, trials
from tenants.errors import Refused
from tenants.models import Client
from tenants.services.actors import Actor

RETRY_AFTER = timedelta(hours=6)
TESTER = Actor.system("restore tests")
logger = logging.getLogger(__name__)


def request_due(*, now: datetime) -> int:
    """Begin the tests that are due, so many at a time as settings allow; how many were begun."""
    free = settings.BERTH_RESTORE_TESTS_AT_ONCE - RestoreTest.objects.filter(passed=None).count()
    begun = 0
    for instance in due(now=now):
        if begun >= free:
            break
        try:
            begun += request(instance=instance) is not None
        except Refused as refused:  # no server has room, mostly; too long of that is an incident
            logger.info("no restore test of %s yet: %s", instance, refused)
    return begun


def due(*, now: datetime) -> Iterator[Instance]:
    """Instances none of whose backups was brought back lately; those that never were come first."""
    tested = Q(backups__restore_tests__passed=True)
    yield from (
        Instance.objects.filter(
            purpose=Instance.Purpose.CLIENT,
            first_running_at__isnull=False,
            delete_requested_at=None,
        )
        .exclude(state=Instance.State.DELETED)
        .exclude(backups__restore_tests__passed=None, backups__restore_tests__isnull=False)
        .annotate(passed_at=Max("backups__restore_tests__ended_at", filter=tested))
        .annotate(tried_at=Max("backups__restore_tests__ended_at"))
        .filter(Q(passed_at=None) | Q(passed_at__lte=now - settings.BERTH_RESTORE_TEST_EVERY))
        .filter(Q(tried_at=None) | Q(tried_at__lte=now - RETRY_AFTER))
        .order_by(F("passed_at").asc(nulls_first=True), "created_at")
    )


@transaction.atomic
def request(*, instance: Instance) -> RestoreTest | None:
    """Begin a test of the instance's newest proven backup; ``None`` where there is none.

    Raises ``Refused`` where it can't be read, or no server has room.
    """
    backup = backups.newest_proven(instance)
    if backup is None:
        return None
    client = Client.objects.select_for_update(no_key=True).get(pk=instance.client_id)
    chosen = Backup.objects.select_for_update(of=("self",)).get(pk=backup.pk)
    order = clones.order_from(
        chosen,
        client,
        plan=instance.plan.slug,
        name=f"test-{uuid.uuid4().hex[:12]}",
        purpose=Instance.Purpose.RESTORE_TEST,
    )
    scratch = ordering.place(order, actor=TESTER)
    return RestoreTest.objects.create(backup=chosen, scratch=scratch)


def record_passed(*, test: RestoreTest) -> float:
    """The app answered; the seconds that it took. The caller holds the operation's lease."""
    seconds = trials.record_passed(trial=test)
    for kind in (Incident.Kind.RESTORE_TEST_FAILED, Incident.Kind.RESTORE_TEST_OVERDUE):
        incidents.close(kind=kind, instance=test.backup.instance)
    return seconds


def record_failed(*, test: RestoreTest, reason: str, is_cancelled: bool) -> None:
    """Why it came to nothing; an incident, unless somebody called it off."""
    trials.record_failed(trial=test, reason=reason)
    if is_cancelled or test.passed:
        return
    instance = test.backup.instance
    incidents.open_for(
        kind=Incident.Kind.RESTORE_TEST_FAILED,
        instance=instance,
        summary=f"{instance}: the newest backup could not be brought back: {reason}",
    )


def watch_ages(*, now: datetime) -> int:
    """An incident for each instance with none of its backups brought back for too long."""
    kind = Incident.Kind.RESTORE_TEST_OVERDUE
    late = {each.pk: each for each in _overdue(now)}
    for instance in late.values():
        passed_at: datetime | None = instance.passed_at  # type: ignore[attr-defined]
        since = f"since {passed_at:%Y-%m-%d %H:%M} UTC" if passed_at else "yet"
        summary = f"no backup of {instance} was brought back for a test {since}"
        incidents.open_for(kind=kind, instance=instance, summary=summary)
    for incident in Incident.objects.filter(kind=kind, closed_at=None).select_related("instance"):
        if incident.instance_id not in late:
            incidents.close(kind=kind, instance=incident.instance)
    return len(late)


def _overdue(now: datetime) -> Iterator[Instance]:
    latest = now - settings.BERTH_RESTORE_TEST_MAX_AGE
    tested = Q(backups__restore_tests__passed=True)
    yield from (
        Instance.objects.filter(
            purpose=Instance.Purpose.CLIENT,
            first_running_at__lt=latest,
            delete_requested_at=None,
        )
        .exclude(state=Instance.State.DELETED)
        .select_related("client")
        .annotate(passed_at=Max("backups__restore_tests__ended_at", filter=tested))
        .filter(Q(passed_at=None) | Q(passed_at__lt=latest))
    )
