"""What was done, by whom: append-only and chained by hashes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class AuditEvent(models.Model):
    """One change. Names are kept as they were; ids are not foreign keys, so nothing removes it.

    A database trigger refuses UPDATE, DELETE and TRUNCATE. ``hash`` covers every column and the
    hash of the event before; ``manage.py verify_audit`` finds the first one that does not fit.
    """

    sequence = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    client_id = models.UUIDField(null=True, blank=True)
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

    objects: ClassVar[models.Manager[AuditEvent]] = models.Manager()

    class Meta:
        ordering = ("-sequence",)
        indexes = (
            models.Index(fields=("object_type", "object_id"), name="audit_by_object"),
            models.Index(fields=("client_id", "-sequence"), name="audit_by_client"),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.object_label} by {self.actor_label}"


class AuditHead(models.Model):
    """The end of the chain, one row: without it the removal of the last events would not show.

    ``seal`` is made with the master key, so that whoever can only write to the database can't
    write himself a chain. ``broken_at`` is the first event that was appended to a head whose seal
    did not fit; the seal covers it, so it can't be wiped out either.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    sequence = models.BigIntegerField()
    hash = models.CharField(max_length=64)
    broken_at = models.BigIntegerField(null=True, blank=True)
    master_key_id = models.CharField(max_length=40)
    seal = models.CharField(max_length=64)

    objects: ClassVar[models.Manager[AuditHead]] = models.Manager()

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="one_audit_head"),)

    def __str__(self) -> str:
        return f"event {self.sequence}"
