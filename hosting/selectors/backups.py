"""Reading backups: what is proven, how old that is, and what a page lists."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Subquery

from hosting.models import Backup, Incident, Instance, Operation
from hosting.selectors import restore_tests
from hosting.selectors.instances import large
from tenants.models import Client

_PROVEN = Q(verified_at__isnull=False, removed_at=None)
_UNSHOWN = ("secrets", "manifest", "stored")  # large or secret, and on no list
_KINDS = (Incident.Kind.BACKUP_DAMAGED, Incident.Kind.BACKUP_OVERDUE)  # the worse one first


def of_instance(instance: Instance) -> QuerySet[Backup]:
    """Those that are there or on the way, newest first; failed ones and what was let go are not.

    With what their tests said as ``ended_tests``, newest first.
    """
    tests = restore_tests.told()
    there = Q(verified_at__isnull=False) | Q(operation__finished_at=None)
    return (
        Backup.objects.filter(there, instance=instance, removed_at=None)
        .select_related("operation")
        .prefetch_related(Prefetch("restore_tests", queryset=tests, to_attr="ended_tests"))
        .defer(*_UNSHOWN)
        .order_by("-created_at")
    )


def get_of_client(client: Client, name: str, backup_id: uuid.UUID) -> Backup:
    """A backup of the client's instance of that name, which may be deleted by now.

    Raises ``Backup.DoesNotExist``, for others' too.
    """
    known = Backup.objects.select_related("instance__client", "operation")
    return known.get(pk=backup_id, instance__name=name, instance__client=client)


def get_of_instance(instance: Instance, backup_id: uuid.UUID) -> Backup:
    """One of the instance's, with its manifest. Raises ``Backup.DoesNotExist``."""
    known = Backup.objects.select_related("operation", "instance__plan").defer("secrets", "stored")
    return known.get(pk=backup_id, instance=instance)


def of_client(client: Client) -> QuerySet[Backup]:
    """Those of the client's instances that exist."""
    found = Backup.objects.filter(instance__client=client)
    return found.exclude(instance__state=Instance.State.DELETED).select_related("instance")


def of_deleted(client: Client) -> QuerySet[Backup]:
    """Proven ones, newest first, of the client's instances that were deleted, while kept."""
    mine = Backup.objects.filter(_PROVEN, instance__client=client)
    gone = mine.filter(
        instance__state=Instance.State.DELETED, instance__purpose=Instance.Purpose.CLIENT
    )
    newest = gone.order_by("-instance__deleted_at", "instance", "-taken_at")
    return newest.select_related("instance__client", "instance__plan").defer(*_UNSHOWN)


def kept_until(instance: Instance) -> datetime | None:
    """When all that is stored of a deleted instance is removed; None for one that exists."""
    deleted_at = instance.deleted_at
    return deleted_at + settings.BERTH_BACKUPS_AFTER_DELETION if deleted_at else None


def for_staff() -> QuerySet[Backup]:
    """All there ever were, with what a list shows of them."""
    found = Backup.objects.select_related("instance__client", "operation")
    return found.defer(*_UNSHOWN, *large("instance"))


def newest_proven(instance: Instance) -> Backup | None:
    """The last one that was read back and is there."""
    return Backup.objects.filter(_PROVEN, instance=instance).order_by("-taken_at").first()


def last_failed(instance: Instance) -> Backup | None:
    """The last attempt that ended, where it failed; None where it was proven or called off."""
    ended = Backup.objects.filter(instance=instance, operation__finished_at__isnull=False)
    last = ended.select_related("operation").defer(*_UNSHOWN).order_by("-created_at").first()
    if last is None or last.operation is None or last.verified_at is not None:
        return None
    return last if last.operation.state == Operation.State.FAILED else None


def incident_of(instance: Instance) -> Incident | None:
    """What is wrong with the instance's backups; the worst where it is more than one thing."""
    found = {
        each.kind: each
        for each in Incident.objects.filter(instance=instance, kind__in=_KINDS, closed_at=None)
    }
    return next((found[kind] for kind in _KINDS if kind in found), None)


def overdue(*, now: datetime) -> QuerySet[Instance]:
    """Instances with data whose last proven backup is older than it may be, as ``proven_at``."""
    latest = now - settings.BERTH_BACKUP_MAX_AGE
    proven = Backup.objects.filter(_PROVEN, instance=OuterRef("pk"))
    newest = proven.order_by("-taken_at").values("taken_at")
    return (
        Instance.objects.filter(first_running_at__lt=latest, delete_requested_at=None)
        .exclude(state=Instance.State.DELETED)
        .filter(~Exists(proven.filter(taken_at__gte=latest)))
        .select_related("client")
        .annotate(proven_at=Subquery(newest[:1]))
    )
