"""Reading backups: what is proven, how old that is, and what a page lists."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db.models import Max, Q, QuerySet

from hosting.models import Backup, Instance
from tenants.models import Client

_PROVEN = Q(verified_at__isnull=False, removed_at=None)


def of_instance(instance: Instance) -> QuerySet[Backup]:
    """Those that are there or on the way, newest first; failed ones and what was let go are not."""
    there = Q(verified_at__isnull=False) | Q(operation__finished_at=None)
    return (
        Backup.objects.filter(there, instance=instance, removed_at=None)
        .select_related("operation")
        .order_by("-created_at")
    )


def get_of_client(client: Client, name: str, backup_id: uuid.UUID) -> Backup:
    """A backup of the client's instance of that name, which may be deleted by now.

    Raises ``Backup.DoesNotExist``, for others' too.
    """
    known = Backup.objects.select_related("instance__client", "operation")
    return known.get(pk=backup_id, instance__name=name, instance__client=client)


def newest_proven(instance: Instance) -> Backup | None:
    """The last one that was read back and is there."""
    return Backup.objects.filter(_PROVEN, instance=instance).order_by("-taken_at").first()


def overdue(*, now: datetime) -> QuerySet[Instance]:
    """Instances with data whose last proven backup is older than it may be, as ``proven_at``."""
    latest = now - settings.BERTH_BACKUP_MAX_AGE
    proven = Q(backups__verified_at__isnull=False, backups__removed_at=None)
    return (
        Instance.objects.filter(first_running_at__lt=latest, delete_requested_at=None)
        .exclude(state=Instance.State.DELETED)
        .select_related("client")
        .annotate(proven_at=Max("backups__taken_at", filter=proven))
        .filter(Q(proven_at=None) | Q(proven_at__lt=latest))
    )
