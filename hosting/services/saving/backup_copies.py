"""Backups in the second place: what is not there yet, what was brought there, what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from hosting.models import Backup, BackupStore, Incident, Instance, SecondPlace
from hosting.selectors.saving import backups as reading
from hosting.services.watching import incidents

RETRY_AFTER = timedelta(hours=1)
KIND = Incident.Kind.BACKUP_NOT_COPIED


def take_due(*, now: datetime) -> Iterator[BackupStore]:
    """The repositories whose copies lack something, the longest waiting first.

    Each is given to one caller only, and is due again an hour later as long as that is so.
    """
    lacks = Exists(reading.uncopied().filter(instance=OuterRef("instance")))
    due = BackupStore.objects.filter(lacks, destroyed_at=None, copy_at__lte=now)
    for store in due.select_related("instance__client").order_by("copy_at"):
        same = BackupStore.objects.filter(pk=store.pk, copy_at=store.copy_at)
        if same.update(copy_at=now + RETRY_AFTER):
            yield store


def lacking(instance: Instance) -> list[Backup]:
    """What the second place lacks of its backups, the newest first."""
    mine = reading.uncopied().filter(instance=instance)
    return list(mine.select_related("instance").defer("secrets", "manifest").order_by("-taken_at"))


def record_made(*, store: BackupStore) -> None:
    """The copy is there, with nothing in it yet; from now on its absence is a loss.

    The caller is in a transaction that holds the store.
    """
    store.copied_to, store.copy_trouble = settings.BERTH_BACKUP_COPY, ""
    store.save(update_fields=["copied_to", "copy_trouble"])


def record_copied(*, backup: Backup, path: str) -> None:
    """The copy there has all of it too. The caller is in a transaction, as for what is below.

    It counts for nothing where another copy was begun meanwhile.
    """
    store = BackupStore.objects.select_for_update(no_key=True).get(instance=backup.instance)
    if not store.is_copied or store.copy_path != path:
        return
    backup.copied_at, backup.copied_to = timezone.now(), store.copied_to
    backup.copy_read_at = None
    backup.save(update_fields=["copied_at", "copied_to", "copy_read_at"])


def record_read(*, backup: Backup) -> None:
    """All of it was read back from the second place."""
    backup.copy_read_at = timezone.now()
    backup.save(update_fields=["copy_read_at"])


def is_to_be_read(*, instance: Instance, now: datetime) -> bool:
    """Whether none of its backups was read back from the second place for so long."""
    every = settings.BERTH_BACKUP_COPY_READ_EVERY
    there = instance.backups.filter(copied_to=settings.BERTH_BACKUP_COPY)
    return bool(every) and not there.filter(copy_read_at__gt=now - every).exists()


def was_let_go(*, backup: Backup) -> bool:
    """Whether all of it, or a base in it, is kept no longer since it was read."""
    now = Backup.objects.only("removed_at", "stored").get(pk=backup.pk)
    return now.removed_at is not None or now.stored != backup.stored


def record_well(*, instance: Instance, now: datetime) -> None:
    """The copy took what it was given: nothing is wrong, unless it is still to be read."""
    if not is_to_be_read(instance=instance, now=now):
        BackupStore.objects.filter(instance=instance).update(copy_trouble="")


@transaction.atomic
def record_trouble(*, instance: Instance, trouble: str) -> None:
    """Its copy is lost, damaged or another's: an incident until it is well, or begun anew.

    It is well once a backup was read back from there again.
    """
    instance.backups.filter(copy_read_at__isnull=False).update(copy_read_at=None)
    BackupStore.objects.filter(instance=instance).update(copy_trouble=trouble)
    incidents.open_for(kind=KIND, instance=instance, summary=f"{instance}: {trouble}")


def is_new_place(*, now: datetime) -> bool:
    """Whether the second place was set so lately that not all can be there yet.

    It is since a day and a night when this was first asked for it. Without one nothing is new.
    """
    location = settings.BERTH_BACKUP_COPY
    if not location:
        return False
    with transaction.atomic():
        given = {"location": location, "since": now}
        place, _ = SecondPlace.objects.select_for_update().get_or_create(defaults=given)
        if place.location != location:
            place.location, place.since = location, now
            place.save()
    return now - place.since <= settings.BERTH_BACKUP_MAX_AGE


def watch(*, now: datetime) -> int:
    """One incident for each instance whose last copied backup is too old, or whose copy is broken.

    How many those are. Without a second place there is nothing to be late with, and one that is
    new has the time that a new instance has.
    """
    late: dict[Instance, str] = {}
    if settings.BERTH_BACKUP_COPY:
        overdue = () if is_new_place(now=now) else reading.overdue_copies(now=now)
        for instance in overdue:
            since = reading.said_since(instance)
            late[instance] = f"{instance} has no backup in the second place {since}"
        for store in reading.broken_copies():
            late[store.instance] = f"{store.instance}: {store.copy_trouble}"
    for instance, summary in late.items():
        incidents.open_for(kind=KIND, instance=instance, summary=summary)
    for incident in Incident.objects.filter(kind=KIND, closed_at=None).select_related("instance"):
        if incident.instance not in late:
            incidents.close(kind=KIND, instance=incident.instance)
    return len(late)
