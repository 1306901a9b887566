"""What is due for the repositories: giving space back, and removing them after a deletion."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hosting.models import BackupStore, Incident
from hosting.selectors import backups
from hosting.services import incidents
from tenants.services import audit
from tenants.services.actors import Actor

PRUNE_HOURS = range(5, 8)  # in the client's zone: after the night's backups
PRUNE_EVERY = timedelta(days=7)
PRUNE_RETRY = timedelta(days=1)


def take_prunable(*, now: datetime) -> Iterator[BackupStore]:
    """The repositories to prune now, each given to one caller only.

    One is due again a day later, until ``record_pruned`` says that it was done.
    """
    candidates = BackupStore.objects.filter(
        made_at__isnull=False, destroyed_at=None, prune_at__lte=now
    ).select_related("instance__client", "instance__server")
    for store in candidates:
        if now.astimezone(ZoneInfo(store.instance.client.timezone)).hour not in PRUNE_HOURS:
            continue
        same = BackupStore.objects.filter(pk=store.pk, prune_at=store.prune_at)
        if same.update(prune_at=now + PRUNE_RETRY):
            yield store


def record_pruned(*, store: BackupStore, now: datetime) -> None:
    """It was done; the next time is in a week."""
    BackupStore.objects.filter(pk=store.pk).update(prune_at=now + PRUNE_EVERY)


def destroyable(*, now: datetime) -> Iterator[BackupStore]:
    """The repositories of instances that were deleted long enough ago."""
    latest = now - settings.BERTH_BACKUPS_AFTER_DELETION
    yield from BackupStore.objects.filter(
        destroyed_at=None, instance__deleted_at__lt=latest
    ).select_related("instance__client")


@transaction.atomic
def record_destroyed(*, store: BackupStore) -> None:
    """Its files are gone, and with the password whatever copies of them there may be."""
    for backup in store.instance.backups.filter(removed_at=None):
        backup.removed_at, backup.secrets = timezone.now(), ""
        backup.save(update_fields=["removed_at", "secrets"])
    for kind in (Incident.Kind.BACKUP_DAMAGED, Incident.Kind.BACKUP_OVERDUE):
        incidents.close(kind=kind, instance=store.instance)
    store.destroyed_at, store.password = timezone.now(), ""
    store.save(update_fields=["destroyed_at", "password"])
    audit.record(
        action="backup_store.destroyed",
        actor=Actor.system("backups"),
        client=store.instance.client,
        obj=store.instance,
    )


def watch_ages(*, now: datetime) -> int:
    """One incident for each instance whose last proven backup is too old; how many those are.

    It is the age that counts, whatever became of the attempts: one that was skipped has failed.
    """
    kind = Incident.Kind.BACKUP_OVERDUE
    late = {each.pk: each for each in backups.overdue(now=now)}
    for instance in late.values():
        proven_at: datetime | None = instance.proven_at  # type: ignore[attr-defined]
        since = f"since {proven_at:%Y-%m-%d %H:%M} UTC" if proven_at else "at all"
        summary = f"{instance} has no proven backup {since}"
        incidents.open_for(kind=kind, instance=instance, summary=summary)
    for incident in Incident.objects.filter(kind=kind, closed_at=None).select_related("instance"):
        if incident.instance_id not in late:
            incidents.close(kind=kind, instance=incident.instance)
    return len(late)
