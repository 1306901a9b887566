"""Asking for restores and for the way back, and recording what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from hosting.models import Backup, Instance, InstanceSecret, Operation, Restore
from hosting.models.backup import FORMAT
from hosting.selectors import journals, restores
from hosting.services import operations
from tenants.errors import Refused
from tenants.models import Client
from tenants.services.actors import Actor


@transaction.atomic
def request(*, instance: Instance, backup: Backup, actor: Actor) -> Restore:
    """Ask for the backup to be put back into its instance.

    Raises ``Refused`` where the backup can't be put back there, or the instance is busy.
    """
    operation = _request(instance, Operation.Kind.RESTORE, actor)
    locked = operation.instance
    chosen = Backup.objects.select_related("instance").get(pk=backup.pk)
    refuse_unfit(instance=locked, backup=chosen)
    return Restore.objects.create(
        operation=operation,
        backup=chosen,
        from_generation=locked.generation,
        to_generation=_unused_generation(locked),
    )


@transaction.atomic
def request_to(*, instance: Instance, at: datetime, actor: Actor) -> Restore:
    """Ask for the instance to be put back to that moment.

    Its databases are brought to the moment itself; files and the keys of Redis come from the newest
    backup before. Raises ``Refused`` where the moment is none of those that can be restored.
    """
    operation = _request(instance, Operation.Kind.RESTORE, actor)
    locked = operation.instance
    backup = refuse_unreachable(instance=locked, at=at)
    return Restore.objects.create(
        operation=operation,
        backup=backup,
        target_at=at,
        from_generation=locked.generation,
        to_generation=_unused_generation(locked),
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


@transaction.atomic
def revert(*, instance: Instance, actor: Actor) -> Restore:
    """Ask for the data of before the last restore. Raises ``Refused`` where it is not kept."""
    operation = _request(instance, Operation.Kind.REVERT, actor)
    restore = restores.reversible(instance=operation.instance, now=timezone.now())
    if restore is None:
        raise Refused(f"{instance.name} has no data of before a restore to go back to.")
    restore.reverted_by, restore.trouble = operation, ""
    restore.save(update_fields=["reverted_by", "trouble"])
    return restore


def refuse_unfit(*, instance: Instance, backup: Backup) -> None:
    """Raise ``Refused`` for a backup that does not belong here or can't be read."""
    if backup.instance_id != instance.pk:
        raise Refused(f"This is a backup of {backup.instance.name}, not of {instance.name}.")
    refuse_unreadable(backup=backup)
    app = backup.manifest["app"]
    if app != instance.app:
        raise Refused(f"This is a backup of the app {app}, not of {instance.app}.")


def refuse_unreadable(*, backup: Backup) -> None:
    """Raise ``Refused`` for a backup that is not there, not proven or of a newer format."""
    if backup.removed_at is not None:
        raise Refused("This backup has been let go; its data is not there any more.")
    if not backup.is_good:
        raise Refused("This backup was never read back whole: only a proven one is put back.")
    written_in = backup.manifest["format"]
    if written_in > FORMAT:
        raise Refused(
            f"This backup has the format {written_in} of a newer Berth;"
            f" this one reads up to {FORMAT}."
        )


def record_safety(*, restore: Restore) -> Backup:
    """The row of the backup that is made before; the same one at each call.

    The caller is in a transaction that holds the operation's lease, as for all below.
    """
    if restore.safety is None:
        restore.safety = Backup.objects.create(
            instance=restore.operation.instance,
            operation=restore.operation,
            trigger=Backup.Trigger.SAFETY,
        )
        restore.save(update_fields=["safety"])
    return restore.safety


def record_secrets(*, instance: Instance, secrets: Mapping[str, str]) -> None:
    """Keys of the app that the instance had lost."""
    for name, value in secrets.items():
        InstanceSecret.objects.create(instance=instance, name=name, value=value)


def record_checks(*, restore: Restore, checks: Mapping[str, Any]) -> None:
    """What the restored data said: see the field."""
    restore.checks = dict(checks)
    restore.save(update_fields=["checks"])


def record_generation(
    *, instance: Instance, generation: int, expected: Mapping[str, object]
) -> None:
    """The instance runs on that generation of its data, and looks like that, from now on."""
    instance.generation, instance.expected = generation, dict(expected)
    instance.save(update_fields=["generation", "expected"])


def record_restored(*, restore: Restore, seconds: float | None) -> None:
    """The instance was switched over. The data of before is kept from now on for a while."""
    restore.seconds = seconds
    restore.kept_until = timezone.now() + settings.BERTH_RESTORE_KEEP
    restore.save(update_fields=["seconds", "kept_until"])


def record_reverted(*, restore: Restore) -> None:
    """The instance is back on the data of before."""
    restore.undone_at = timezone.now()
    restore.save(update_fields=["undone_at"])


def record_taken_back(*, restore: Restore, operation: Operation) -> None:
    """What the operation had recorded holds no more: it was taken back."""
    if restore.operation_id == operation.pk:
        restore.seconds = restore.kept_until = None
    else:
        restore.undone_at = None
    restore.trouble = ""
    restore.save(update_fields=["seconds", "kept_until", "undone_at", "trouble"])


def record_trouble(*, restore: Restore, trouble: str) -> None:
    """Why the app did not come back with the data that it had before."""
    restore.trouble = trouble
    restore.save(update_fields=["trouble"])


def _request(instance: Instance, kind: Operation.Kind, actor: Actor) -> Operation:
    client = Client.objects.select_for_update(no_key=True).get(pk=instance.client_id)
    if not client.is_active:
        raise Refused(f"{client} is inactive: its instances can only be stopped or deleted.")
    return operations.request(instance=instance, kind=kind, actor=actor)


def _unused_generation(instance: Instance) -> int:
    """One that no restore has ever filled, not even half."""
    used = restores.of_instance(instance).aggregate(last=Max("to_generation"))["last"]
    return max(instance.generation, used or 0) + 1
