"""What was done, by whom: append-only and chained by hashes."""

from __future__ import annotations

from django.db import models


class AuditEvent(models.Model):
    """One change. Names are kept as they were; ids are not foreign keys, so nothing removes it.

    A database trigger refuses UPDATE, DELETE and TRUNCATE. ``hash`` covers every column and the
    hash of the event before; ``manage.py verify_audit`` finds the first one that does not fit.
    """

    sequence = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    client_id = models.UUIDField(null=True, blank=True, db_index=True)
    actor_id = models.CharField(max_length=40, blank=True)
    actor_label = models.CharField("actor", max_length=200)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    object_label = models.CharField("object", max_length=200)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ("-sequence",)
        indexes = (models.Index(fields=("object_type", "object_id"), name="audit_by_object"),)

    def __str__(self) -> str:
        return f"{self.action} {self.object_label} by {self.actor_label}"
