"""Saved states of instances, and where they are kept."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from hosting.models.instance import Instance
from hosting.models.operation import Operation
from tenants.crypto import EncryptedTextField

FORMAT = 1  # of the manifest; what a newer Berth wrote is not read


class BackupStore(models.Model):
    """The repository of one instance, under a password of its own, and its copy.

    The password is sealed under the client's data key: without the row nobody can read the
    repository again, wherever its files are. One that was lost is never made anew unasked; where a
    person has it begun anew it has the next number, and what lies under those before stays there.
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
    number = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="Of the repository: how often it was begun anew, and 1."
    )
    copied_to = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="The second place where its copy was made. One that is lost is never made anew.",
    )
    copy_number = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="The same of its copy."
    )
    copy_trouble = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="Why nothing can be kept in the copy: it is lost, damaged or another's.",
    )
    copy_at = models.DateTimeField(
        default=timezone.now,
        db_default=Now(),
        help_text="When what the copy lacks is brought there next.",
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
        """Where it is, below the target."""
        return self.path_of(self.number)

    @property
    def copy_path(self) -> str:
        """Where its copy is, below the second place."""
        return self.path_of(self.copy_number)

    @property
    def is_copied(self) -> bool:
        """Whether its copy was made in the second place that is set now."""
        return bool(settings.BERTH_BACKUP_COPY) and self.copied_to == settings.BERTH_BACKUP_COPY

    def path_of(self, number: int) -> str:
        """Where the repository of that number is. Ids, for names change hands."""
        first = f"{self.instance.client_id}/{self.instance_id}"
        return first if number == 1 else f"{first}.{number}"

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
    copied_to = models.TextField(
        blank=True, default="", db_default="", help_text="Which second place that was."
    )
    copy_read_at = models.DateTimeField(
        null=True, blank=True, help_text="When all of it had been read back from there."
    )
    lost_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="From then on the second place alone has it: the first was begun anew.",
    )
    is_pinned = models.BooleanField(
        "pinned", default=False, help_text="Kept until it is let go by hand."
    )
    removed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[Backup]] = models.Manager()

    class Meta:
        ordering = ("-created_at",)
        permissions = (
            ("make_backup", "Can have backups made, and keep them"),
            ("download_backup", "Can take backups out, with every secret in them"),
        )
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
    def is_in_first_place(self) -> bool:
        """Whether the place where it was written has it, as far as is known."""
        return self.is_good and self.lost_at is None

    @property
    def is_in_second_place(self) -> bool:
        """Whether the second place that is set now has all of it."""
        place = settings.BERTH_BACKUP_COPY
        return (
            self.is_good and self.copied_at is not None and bool(place) and self.copied_to == place
        )

    @property
    def encryption_client_id(self) -> uuid.UUID:
        """Whose data key seals the app's keys."""
        return self.instance.client_id
