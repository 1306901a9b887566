"""Trying whether backups can be brought back: what is due, and what became of it."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from hosting.models import Backup, Incident, Instance, RestoreTest
from hosting.selectors.saving import backups
from hosting.selectors.saving import restore_tests as reading
from hosting.services import ordering, trials
from hosting.services.saving import clones, restores
from hosting.services.watching import incidents
from tenants.errors import Refused
from tenants.models import Client
from tenants.services.actors import Actor

RETRY_AFTER = timedelta(hours=6)
FAILED, OVERDUE = Incident.Kind.RESTORE_TEST_FAILED, Incident.Kind.RESTORE_TEST_OVERDUE
TESTER = Actor.system("restore-tests")
logger = logging.getLogger(__name__)


def request_due(*, now: datetime) -> int:
    """Begin the tests that are due, so many at a time as settings allow; how many were begun.

    One that can't be begun keeps no other away.
    """
    free = settings.BERTH_RESTORE_TESTS_AT_ONCE - RestoreTest.objects.filter(passed=None).count()
    begun = 0
    for instance in due(now=now):
        if begun >= free:
            break
        try:
            begun += request(instance=instance) is not None
        except Refused as refused:  # no server has room, mostly; too long of that is an incident
            logger.info("no restore test of %s yet: %s", instance, refused)
        except Exception:  # a row that can't be read: an incident in time, as for all that is late
            logger.exception("the restore test of %s could not be begun", instance)
    return begun


def due(*, now: datetime) -> QuerySet[Instance]:
    """As ``selectors.restore_tests.due``, without those whose last try was only just over."""
    tried = Q(tried_at=None) | Q(tried_at__lte=now - RETRY_AFTER)
    order = (F("passed_at").asc(nulls_first=True), "created_at")
    return reading.due(now=now).filter(tried).order_by(*order)


def request_now(*, backup: Backup, actor: Actor, is_from_copy: bool = False) -> RestoreTest:
    """Begin a test of an instance's newest proven backup because somebody wants to know.

    ``is_from_copy`` has it read from the second place. Raises ``Refused`` where there is a newer
    one, one of its backups is just being tested, it is not to be tested any more, it is not in that
    place, or no server has room.
    """
    with transaction.atomic():
        instance = backup.instance
        Client.objects.select_for_update(no_key=True).get(pk=instance.client_id)  # one at a time
        if backups.newest_proven(instance) != backup:
            raise Refused("Only the newest proven backup of an instance is tested.")
        if reading.is_going_on(instance):
            raise Refused(f"A backup of {instance.name} is being tested already.")
        if is_from_copy:
            restores.refuse_uncopied(backup=backup)
        test = request(instance=instance, actor=actor, is_from_copy=is_from_copy)
        if test is None:  # it was let go in the same moment
            raise Refused(f"{instance.name} has no proven backup.")
        return test


@transaction.atomic
def request(
    *, instance: Instance, actor: Actor = TESTER, is_from_copy: bool = False
) -> RestoreTest | None:
    """Begin a test of the instance's newest proven backup; ``None`` where there is none.

    Raises ``Refused`` where it can't be read, its client is inactive, the instance is to be
    deleted, or no server has room.
    """
    client = Client.objects.select_for_update(no_key=True).get(pk=instance.client_id)
    if not reading.may_be_tested().filter(pk=instance.pk).exists():
        raise Refused(f"{instance} is deleted, or its client is inactive: nothing is tested.")
    backup = backups.newest_proven(instance)
    if backup is None:
        return None
    chosen = Backup.objects.select_for_update(of=("self",)).get(pk=backup.pk)
    order = clones.order_from(
        chosen,
        client,
        plan=instance.plan.slug,
        name=f"test-{uuid.uuid4().hex[:12]}",
        purpose=Instance.Purpose.RESTORE_TEST,
    )
    if is_from_copy:
        order = replace(order, is_from_copy=True)
    scratch = ordering.place(order, actor=actor)
    return RestoreTest.objects.create(backup=chosen, scratch=scratch)


def record_passed(*, test: RestoreTest) -> float:
    """The app answered; the seconds that it took. The caller holds the operation's lease."""
    seconds = trials.record_passed(trial=test)
    for kind in (FAILED, OVERDUE):
        incidents.close(kind=kind, instance=test.backup.instance)
    return seconds


def record_failed(*, test: RestoreTest, reason: str, is_cancelled: bool) -> None:
    """Why it came to nothing; an incident, unless somebody called it off or it is to go."""
    trials.record_failed(trial=test, reason=reason)
    instance = test.backup.instance
    if is_cancelled or test.passed or _is_to_go(instance):
        return
    incidents.open_for(
        kind=FAILED,
        instance=instance,
        summary=f"{instance}: the newest backup could not be brought back: {reason}",
    )


def watch_ages(*, now: datetime) -> int:
    """An incident for each instance with none of its backups brought back for too long.

    Those about instances that are gone end.
    """
    late = {each.pk: each for each in reading.overdue(now=now)}
    for instance in late.values():
        passed_at: datetime | None = instance.passed_at  # type: ignore[attr-defined]
        since = f"since {passed_at:%Y-%m-%d %H:%M} UTC" if passed_at else "yet"
        summary = f"no backup of {instance} was brought back for a test {since}"
        incidents.open_for(kind=OVERDUE, instance=instance, summary=summary)
    going_on = Incident.objects.filter(kind__in=(FAILED, OVERDUE), closed_at=None)
    for incident in going_on.select_related("instance"):
        is_over = incident.kind == OVERDUE and incident.instance_id not in late
        if is_over or _is_to_go(incident.instance):
            incidents.close(kind=Incident.Kind(incident.kind), instance=incident.instance)
    return len(late)


def _is_to_go(instance: Instance | None) -> bool:
    """Whether nobody will want its backups tried any more."""
    return instance is None or instance.is_deleted or instance.delete_requested_at is not None
