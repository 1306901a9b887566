"""What is due for the repositories: giving space back, and removing them after a deletion."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hosting.models import ACTIVE_STATES, Backup, BackupStore, Incident, Instance
from hosting.selectors.saving import backups
from hosting.services.saving import journals
from hosting.services.watching import incidents
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

PRUNE_HOURS = range(5, 8)  # in the client's zone: after the night's backups
PRUNE_EVERY = timedelta(days=7)
PRUNE_RETRY = timedelta(days=1)
_ABOUT_BACKUPS = (
    Incident.Kind.BACKUP_DAMAGED,
    Incident.Kind.BACKUP_OVERDUE,
    Incident.Kind.BACKUP_NOT_COPIED,
)


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
    for kind in _ABOUT_BACKUPS:
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
        summary = f"{instance} has no proven backup {backups.said_since(instance)}"
        incidents.open_for(kind=kind, instance=instance, summary=summary)
    for incident in Incident.objects.filter(kind=kind, closed_at=None).select_related("instance"):
        if incident.instance_id not in late:
            incidents.close(kind=kind, instance=incident.instance)
    return len(late)


@transaction.atomic
def begin_anew(*, instance: Instance, confirmation: str, actor: Actor) -> BackupStore:
    """Have another repository begun in the first place, since the one there is lost or damaged.

    What lies there of the old one is left alone, and read no more. Backups that the second place
    has are read from there; all others are gone. Raises ``Refused`` where nothing is known to be
    wrong, the instance is busy, or ``confirmation`` is not its name.
    """
    store = _locked(instance, confirmation)
    if not backups.is_damaged(instance):
        raise Refused(f"Nothing is known to be wrong with the backup store of {instance.name}.")
    left, store.number, store.made_at = store.path, store.number + 1, None
    store.save(update_fields=["number", "made_at"])
    only_there = gone = 0
    for backup in instance.backups.filter(removed_at=None, lost_at=None):
        if backup.is_in_second_place:
            backup.lost_at = timezone.now()
            backup.save(update_fields=["lost_at"])
            only_there += 1
        else:
            gone += _is_gone(backup)
    journals.begin_elsewhere(instance=instance)
    _tell(store, actor, place="first", left=left, gone=gone, only_in_the_other=only_there)
    return store


@transaction.atomic
def begin_copy_anew(*, instance: Instance, confirmation: str, actor: Actor) -> BackupStore:
    """The same of its copy in the second place: all that the first place has is copied again.

    What only the copy had is gone.
    """
    store = _locked(instance, confirmation)
    if not (store.is_copied and store.copy_trouble):
        raise Refused(f"Nothing is known to be wrong with the copy of {instance.name}'s backups.")
    left, store.copy_number = store.copy_path, store.copy_number + 1
    store.copied_to, store.copy_trouble, store.copy_at = "", "", timezone.now()
    store.save(update_fields=["copy_number", "copied_to", "copy_trouble", "copy_at"])
    there = instance.backups.filter(removed_at=None, copied_to=settings.BERTH_BACKUP_COPY)
    gone = sum(_is_gone(each) for each in there.exclude(lost_at=None))
    there.filter(lost_at=None).update(copied_at=None, copied_to="", copy_read_at=None)
    _tell(store, actor, place="second", left=left, gone=gone)
    return store


def _locked(instance: Instance, confirmation: str) -> BackupStore:
    """Its store, while nothing else is going on with the instance."""
    held = Instance.objects.select_for_update(no_key=True).get(pk=instance.pk)
    if confirmation.strip() != held.name:
        raise Refused(f"Type {held.name} to confirm.", field="confirmation")
    if held.operations.filter(state__in=ACTIVE_STATES).exists():
        raise Refused(f"{held.name} is busy: wait until what is going on has ended.")
    store = BackupStore.objects.select_for_update(no_key=True).filter(instance=held).first()
    if store is None or store.destroyed_at is not None:
        raise Refused(f"{held.name} has no backup store.")
    return store


def _is_gone(backup: Backup) -> bool:
    """Write down that nothing has it any more; whether it was good until now."""
    was_good = backup.is_good
    backup.removed_at, backup.secrets, backup.is_pinned = timezone.now(), "", False
    backup.save(update_fields=["removed_at", "secrets", "is_pinned"])
    return was_good


def _tell(store: BackupStore, actor: Actor, **what: object) -> None:
    audit.record(
        action="backup_store.begun_anew",
        actor=actor,
        client=store.instance.client,
        obj=store.instance,
        after=what,
    )
