"""What may have happened to an instance: backups and restores, written straight into the tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from hosting.models import Backup, Instance, Operation, Restore
from hosting.models.backup import FORMAT

AS_BEFORE = "Everything is as it was before."
MB = 10**6


def manifest(instance: Instance, **changes: Any) -> dict[str, Any]:
    """Of one of its backups."""
    values = {"format": FORMAT, "app": instance.app, "version": instance.version}
    return {**values, "parts": [], "checks": {}, **changes}


def proven(instance: Instance, taken_at: datetime | None = None, **more: Any) -> Backup:
    """A nightly backup of that moment (None: now) that was read back at once."""
    at = taken_at or timezone.now()
    values = {
        "trigger": "nightly",
        "created_at": at,
        "taken_at": at,
        "verified_at": at,
        "manifest": manifest(instance),
        "size_bytes": MB,
        "operation": _backing_up(instance, at, "succeeded"),
    }
    return Backup.objects.create(instance=instance, **{**values, **more})


def failed(instance: Instance, asked_at: datetime) -> Backup:
    """A nightly backup that came to nothing."""
    reason = "The place is full."
    return Backup.objects.create(
        instance=instance,
        trigger="nightly",
        created_at=asked_at,
        operation=_backing_up(instance, asked_at, "failed", reason=reason),
    )


def restored(instance: Instance, backup: Backup, **more: Any) -> Restore:
    """The instance runs on the data of the backup, and there is a way back for a week."""
    values = {
        "operation": operation(instance, "restore", "succeeded"),
        "from_generation": instance.generation,
        "to_generation": instance.generation + 1,
        "kept_until": timezone.now() + timedelta(days=7),
    }
    instance.generation += 1
    Instance.objects.filter(pk=instance.pk).update(generation=instance.generation)
    return Restore.objects.create(backup=backup, **{**values, **more})


def taken_back(instance: Instance, why: str) -> Operation:
    """A restore that failed half-way for that reason."""
    reason = f"{why.rstrip('.')}. {AS_BEFORE}"
    made = operation(instance, "restore", "failed", reason=reason, undoing=why)
    steps = (
        ("stop", "Stop the services", "done"),
        ("start", "Start the services", "failed"),
        ("publish", "Publish the address", "pending"),
        ("undo-stop", "Stop the services", "done"),
        ("undo-start", "Start the services as before", "done"),
    )
    for position, (name, title, state) in enumerate(steps):
        made.steps.create(position=position, name=name, title=title, state=state)
    return made


def operation(instance: Instance, kind: str, state: str, **more: Any) -> Operation:
    """One that Alice asked for and that ended at once."""
    now = timezone.now()
    values = {"requested_by_label": "Alice", "requested_at": now, "finished_at": now}
    return Operation.objects.create(instance=instance, kind=kind, state=state, **{**values, **more})


def _backing_up(instance: Instance, at: datetime, state: str, **more: Any) -> Operation:
    who = "Berth (backups)"
    times = {"requested_at": at, "finished_at": at}
    return operation(instance, "backup", state, requested_by_label=who, **times, **more)
