"""Saved states of instances, and where they are kept."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.utils import timezone

from hosting.models.instance import Instance
from hosting.models.operation import Operation
from tenants.crypto import EncryptedTextField

FORMAT = 1  # of the manifest; what a newer Berth wrote is not read


class BackupStore(models.Model):
    """The repository of one instance, under a password of its own.

    The password is sealed under the client's data key: without the row nobody can read the
    repository again, wherever its files are.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    instance = models.OneToOneField(Instance, on_delete=models.PROTECT, related_name="backup_store")
    password = EncryptedTextField(help_text="Empty once the repository is destroyed.")
    created_at = models.DateTimeField(auto_now_add=True)
    made_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the repository was first there. One that is lost is never made anew.",
    )
    prune_at = models.DateTimeField(
        default=timezone.now, help_text="When the space of backups let go is given back next."
    )
    destroyed_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[BackupStore]] = models.Manager()

    def __str__(self) -> str:
        return self.path

    @property
    def path(self) -> str:
        """Where it is, below the target. Ids, for names change hands."""
        return f"{self.instance.client_id}/{self.instance_id}"

    @property
    def encryption_client_id(self) -> uuid.UUID:
        """Whose data key seals the password."""
        return self.instance.client_id


class Backup(models.Model):
    """One saved state. It counts once ``verified_at`` is set: everything was read back.

    ``manifest`` is what the repository holds of it too; ``secrets`` are the app's own keys, JSON
    by name, without which its data is worth nothing. They are sealed under the client's data key
    here, and in the repository under its password, which is.
    """

    class Trigger(models.TextChoices):
        NIGHTLY = "nightly", "Nightly"
        ASKED = "asked", "Asked for"
        SAFETY = "safety", "Before a restore"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="backups")
    operation = models.OneToOneField(
        Operation, on_delete=models.SET_NULL, related_name="backup", null=True, blank=True
    )
    trigger = models.CharField(max_length=10, choices=Trigger)
    manifest = models.JSONField(default=dict, editable=False)
    stored = models.JSONField(
        default=list, editable=False, help_text="Each stream as it was written, the manifest last."
    )
    secrets = EncryptedTextField(default="")
    taken_at = models.DateTimeField(
        null=True, blank=True, help_text="The moment that the saved state is of."
    )
    size_bytes = models.BigIntegerField(
        "size", default=0, help_text="Of the data in bytes, as it was read."
    )
    stored_bytes = models.BigIntegerField(
        "stored", default=0, help_text="What it added to the store: only what was not there yet."
    )
    verified_at = models.DateTimeField(
        "proven", null=True, blank=True, help_text="When all of it had been read back and compared."
    )
    copied_at = models.DateTimeField(
        null=True, blank=True, help_text="When the second place had all of it too."
    )
    is_pinned = models.BooleanField(
        "pinned", default=False, help_text="Kept until it is let go by hand."
    )
    removed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[Backup]] = models.Manager()

    class Meta:
        ordering = ("-created_at",)
        permissions = (("make_backup", "Can have backups made, and keep them"),)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(verified_at=None)
                | (models.Q(taken_at__isnull=False) & ~models.Q(manifest={})),
                name="proven_backups_have_a_manifest",
            ),
        )
        indexes = (
            models.Index(fields=("instance", "-created_at"), name="backup_by_instance"),
            models.Index(fields=("-created_at", "-id"), name="backup_by_time"),
            models.Index(
                fields=("instance", "-taken_at"),
                condition=models.Q(verified_at__isnull=False, removed_at=None),
                name="backup_proven",
            ),
            models.Index(
                fields=("-taken_at", "instance"),
                condition=models.Q(verified_at__isnull=False, removed_at=None),
                name="backup_proven_lately",
            ),
        )

    def __str__(self) -> str:
        at: datetime = self.taken_at or self.created_at
        return f"{self.instance} of {at:%Y-%m-%d %H:%M} UTC"

    @property
    def is_good(self) -> bool:
        """Whether it was read back whole and is still there."""
        return self.verified_at is not None and self.removed_at is None

    @property
    def encryption_client_id(self) -> uuid.UUID:
        """Whose data key seals the app's keys."""
        return self.instance.client_id
