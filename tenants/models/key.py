"""The clients' data keys, each wrapped by the master key."""

from __future__ import annotations

import uuid

from django.db import models

from tenants.models.client import Client


class DataKey(models.Model):
    """A 256-bit key of one client. Deleting it makes everything under it unreadable."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="data_keys")
    version = models.PositiveIntegerField(default=1)
    master_key_id = models.CharField(max_length=40)
    wrapped = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
    rewrapped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("client", "version"), name="one_key_per_version"),
        )

    def __str__(self) -> str:
        return f"data key {self.version} of {self.client}"
