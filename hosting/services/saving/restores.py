"""Asking for restores, and recording what they find."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from hosting.models import Backup, Instance, InstanceSecret, Operation, Restore
from hosting.models.backup import FORMAT
from hosting.selectors import moves as reading
from hosting.selectors.saving import journals
from hosting.selectors.upgrading import upgrades
from hosting.services import moves
from tenants.errors import Refused
from tenants.services.actors import Actor


@transaction.atomic
def request(
    *, instance: Instance, backup: Backup, actor: Actor, is_from_copy: bool = False
) -> Restore:
    """Ask for the backup to be put back into its instance, read from the second place if so wanted.

    Raises ``Refused`` where the backup can't be put back there, or the instance is busy.
    """
    told = {"backup": str(backup.pk), "taken_at": str(backup.taken_at)} | place_told(is_from_copy)
    operation = moves.request(
        instance=instance, kind=Operation.Kind.RESTORE, actor=actor, told=told
    )
    locked = operation.instance
    chosen = Backup.objects.select_related("instance").get(pk=backup.pk)
    refuse_unfit(instance=locked, backup=chosen)
    if is_from_copy:
        refuse_uncopied(backup=chosen)
    is_from_copy = is_from_copy or chosen.lost_at is not None
    return Restore.objects.create(
        operation=operation,
        requested_at=operation.requested_at,
        backup=chosen,
        is_from_copy=is_from_copy,
        from_generation=locked.generation,
        to_generation=reading.unused_generation(locked),
    )


@transaction.atomic
def request_to(*, instance: Instance, at: datetime, actor: Actor) -> Restore:
    """Ask for the instance to be put back to that moment.

    Its databases are brought to the moment itself; files and the keys of Redis come from the newest
    backup before. All of it is read from the second place where the first was begun anew since.
    Raises ``Refused`` where the moment is none of those that can be restored.
    """
    told = {"moment": str(at)}
    operation = moves.request(
        instance=instance, kind=Operation.Kind.RESTORE, actor=actor, told=told
    )
    locked = operation.instance
    backup = refuse_unreachable(instance=locked, at=at)
    return Restore.objects.create(
        operation=operation,
        requested_at=operation.requested_at,
        backup=backup,
        target_at=at,
        is_from_copy=backup.lost_at is not None,
        from_generation=locked.generation,
        to_generation=reading.unused_generation(locked),
    )


def refuse_unreachable(*, instance: Instance, at: datetime) -> Backup:
    """The backup from which that moment is reached.

    Raises ``Refused`` for a moment that is none of those that can be restored.
    """
    if not instance.plan.point_in_time_days:
        raise Refused(f"The plan of {instance.name} does not offer to restore to a minute.")
    spans = journals.spans(instance)
    if not spans:
        raise Refused(f"{instance.name} can't be restored to a minute yet.")
    backup = journals.backup_for(instance, at)
    if backup is None:
        zone = ZoneInfo(instance.client.timezone)
        told = [f"from {_said(each.start, zone)} to {_said(each.end, zone)}" for each in spans[-3:]]
        raise Refused(
            f"{instance.name} can be restored to any moment {', and '.join(told)}.", field="at"
        )
    whole = Backup.objects.select_related("instance").get(pk=backup.pk)
    refuse_unfit(instance=instance, backup=whole)
    return whole


def _said(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def refuse_unfit(*, instance: Instance, backup: Backup) -> None:
    """Raise ``Refused`` for a backup that does not belong here or can't be read."""
    if backup.instance_id != instance.pk:
        raise Refused(f"This is a backup of {backup.instance.name}, not of {instance.name}.")
    refuse_unreadable(backup=backup)
    app = backup.manifest["app"]
    if app != instance.app:
        raise Refused(f"This is a backup of the app {app}, not of {instance.app}.")
    _refuse_newer(instance, backup)


def _refuse_newer(instance: Instance, backup: Backup) -> None:
    """An app never reads the data of a version that came after it."""
    version = backup.manifest.get("version", "")
    if version != instance.version and version in upgrades.versions_for(instance):
        raise Refused(
            f"This backup is of version {version}: change {instance.name} to that version first."
        )


def refuse_unreadable(*, backup: Backup) -> None:
    """Raise ``Refused`` for a backup that is not there, not proven or of a newer format."""
    if backup.removed_at is not None:
        raise Refused("This backup has been let go; its data is not there any more.")
    if not backup.is_good:
        raise Refused("This backup was never read back whole: only a proven one is put back.")
    if not backup.is_in_first_place and not backup.is_in_second_place:
        raise Refused("This backup lies in a second place that is not configured here any more.")
    written_in = backup.manifest["format"]
    if written_in > FORMAT:
        raise Refused(
            f"This backup has the format {written_in} of a newer Berth;"
            f" this one reads up to {FORMAT}."
        )


def refuse_uncopied(*, backup: Backup) -> None:
    """Raise ``Refused`` for a backup that the second place has not, or not whole."""
    if not settings.BERTH_BACKUP_COPY:
        raise Refused("No second place for backups is configured here.", field="place")
    if not backup.is_in_second_place:
        raise Refused("This backup was not copied to the second place.", field="place")


def place_told(is_from_copy: bool) -> dict[str, str]:
    """For the audit log: from where it is read, where that was chosen."""
    return {"read_from": "the second place"} if is_from_copy else {}


def record_change_over(*, restore: Restore) -> None:
    """It is read from the second place from now on, as the first is broken.

    The caller is in a transaction that holds the operation's lease, as for what is below.
    """
    restore.is_from_copy = True
    restore.save(update_fields=["is_from_copy"])


def record_secrets(*, instance: Instance, secrets: Mapping[str, str]) -> None:
    """Keys of the app that the instance had lost."""
    for name, value in secrets.items():
        InstanceSecret.objects.create(instance=instance, name=name, value=value)


def record_checks(*, restore: Restore, checks: Mapping[str, Any]) -> None:
    """What the restored data said: see the field."""
    restore.checks = dict(checks)
    restore.save(update_fields=["checks"])
