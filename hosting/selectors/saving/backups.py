"""Reading backups: what is proven, how old that is, and what a page lists."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Subquery

from hosting.models import ACTIVE_STATES, Backup, BackupStore, Incident, Instance, Operation
from hosting.selectors.instances import large
from hosting.selectors.saving import restore_tests
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


def is_damaged(instance: Instance) -> bool:
    """Whether what the first place has of its backups can't be relied upon."""
    kind = Incident.Kind.BACKUP_DAMAGED
    return Incident.objects.filter(instance=instance, kind=kind, closed_at=None).exists()


def overdue(*, now: datetime) -> QuerySet[Instance]:
    """Instances with data whose last proven backup is older than it may be, as ``proven_at``."""
    return _without_recent(Q(), now)


def overdue_copies(*, now: datetime) -> QuerySet[Instance]:
    """The same of the last proven backup that the second place has too."""
    copied = Q(copied_at__isnull=False, copied_to=settings.BERTH_BACKUP_COPY)
    return _without_recent(copied, now)


def said_since(instance: Instance) -> str:
    """Since when, of one of these, in UTC."""
    proven_at: datetime | None = instance.proven_at  # type: ignore[attr-defined]
    return f"since {proven_at:%Y-%m-%d %H:%M} UTC" if proven_at else "at all"


def uncopied() -> QuerySet[Backup]:
    """Good ones that the second place that is set now has not; those made before a change stay out.

    Of them a copy is not worth its way: they are let go some days later.
    """
    there = Q(copied_at__isnull=False, copied_to=settings.BERTH_BACKUP_COPY)
    mine = Backup.objects.filter(_PROVEN, lost_at=None, instance__delete_requested_at=None)
    is_active = Q(operation__state__in=ACTIVE_STATES)
    return mine.exclude(there).exclude(is_active).exclude(trigger=Backup.Trigger.SAFETY)


def is_copy_broken(instance: Instance) -> bool:
    """Whether its copy in the second place is lost, damaged or another's."""
    known = broken_copies() if settings.BERTH_BACKUP_COPY else BackupStore.objects.none()
    return known.filter(instance=instance).exists()


def broken_copies() -> QuerySet[BackupStore]:
    """The stores whose copies in the second place are lost, damaged or another's."""
    known = BackupStore.objects.filter(destroyed_at=None).exclude(copy_trouble="")
    return known.filter(instance__delete_requested_at=None).select_related("instance__client")


def _without_recent(counting: Q, now: datetime) -> QuerySet[Instance]:
    latest = now - settings.BERTH_BACKUP_MAX_AGE
    proven = Backup.objects.filter(_PROVEN, counting, instance=OuterRef("pk"))
    newest = proven.order_by("-taken_at").values("taken_at")
    return (
        Instance.objects.filter(first_running_at__lt=latest, delete_requested_at=None)
        .exclude(state=Instance.State.DELETED)
        .filter(~Exists(proven.filter(taken_at__gte=latest)))
        .select_related("client")
        .annotate(proven_at=Subquery(newest[:1]))
    )
