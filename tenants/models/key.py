"""The clients' data keys, each wrapped by a master key, and what proves the master keys right."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from tenants.models.client import Client


class DataKey(models.Model):
    """A 256-bit key of one client. Deleting it makes everything under it unreadable.

    The one without a client is Berth's own, for what is the staff's.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, null=True, blank=True, related_name="data_keys"
    )
    version = models.PositiveIntegerField(default=1)
    master_key_id = models.CharField(max_length=40, db_index=True)
    wrapped = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
    rewrapped_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[DataKey]] = models.Manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("client", "version"), nulls_distinct=False, name="one_key_per_version"
            ),
        )

    def __str__(self) -> str:
        return f"data key {self.version} of {self.client or 'Berth itself'}"


class KeyCanary(models.Model):
    """A known text under a master key: whoever can't read it has another key of that name."""

    master_key_id = models.CharField(max_length=40, primary_key=True)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[KeyCanary]] = models.Manager()

    class Meta:
        verbose_name_plural = "key canaries"

    def __str__(self) -> str:
        return f"canary of {self.master_key_id}"


class KeyRotation(models.Model):
    """A renewal of all clients' data keys. One without an end was interrupted, and is resumed."""

    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[KeyRotation]] = models.Manager()

    def __str__(self) -> str:
        return f"key rotation of {self.started_at:%Y-%m-%d}"
