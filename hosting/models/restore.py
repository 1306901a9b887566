"""Saved states that were put back."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from hosting.models.backup import Backup
from hosting.models.operation import Operation


class Restore(models.Model):
    """One putting back of a backup into its own instance.

    The data goes into volumes of a generation of its own, ``to_generation``. Those of
    ``from_generation`` stay as they were until ``kept_until``, and so long there is a way back.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    operation = models.OneToOneField(Operation, on_delete=models.PROTECT, related_name="restore")
    backup = models.ForeignKey(Backup, on_delete=models.PROTECT, related_name="restores")
    safety = models.OneToOneField(
        Backup,
        on_delete=models.SET_NULL,
        related_name="made_before",
        null=True,
        blank=True,
        help_text="What was saved of the instance before; none where its data was lost.",
    )
    target_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The moment that its databases were to be brought to; none: that of the backup.",
    )
    from_generation = models.PositiveIntegerField()
    to_generation = models.PositiveIntegerField()
    checks = models.JSONField(
        default=dict, help_text="By name: what was wanted, and what the restored data said."
    )
    seconds = models.FloatField(
        null=True, blank=True, help_text="From stopping the instance until the app was ready."
    )
    kept_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="How long the data of before is kept. Empty: it was never left.",
    )
    reverted_by = models.OneToOneField(
        Operation,
        on_delete=models.SET_NULL,
        related_name="reverted",
        null=True,
        blank=True,
        help_text="The last operation that was to go back.",
    )
    undone_at = models.DateTimeField(
        null=True, blank=True, help_text="When the instance was back on the data of before."
    )
    trouble = models.TextField(
        blank=True, default="", help_text="What did not come back when it was taken back."
    )

    objects: ClassVar[models.Manager[Restore]] = models.Manager()

    class Meta:
        ordering = ("-operation__requested_at",)
        permissions = (("restore_backup", "Can restore backups and go back"),)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(to_generation__gt=models.F("from_generation")),
                name="restores_go_into_a_new_generation",
            ),
        )

    def __str__(self) -> str:
        return f"restore of {self.backup}"
