"""Saved states that were put back."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from hosting.models.backup import Backup
from hosting.models.move import Move


class Restore(Move):
    """One putting back of a backup into its own instance."""

    backup = models.ForeignKey(Backup, on_delete=models.PROTECT, related_name="restores")
    target_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The moment that its databases were to be brought to; none: that of the backup.",
    )
    is_from_copy = models.BooleanField(
        "from the second place", default=False, db_default=False, help_text="Which place was read."
    )
    checks = models.JSONField(
        default=dict, help_text="By name: what was wanted, and what the restored data said."
    )

    objects: ClassVar[models.Manager[Restore]] = models.Manager()

    class Meta(Move.Meta):
        permissions = (("restore_backup", "Can restore backups and go back"),)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(to_generation__gt=models.F("from_generation")),
                name="restores_go_into_a_new_generation",
            ),
        )

    def __str__(self) -> str:
        return f"restore of {self.backup}"
