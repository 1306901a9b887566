"""What restore tests and rehearsals have in common: a backup, brought back to try something."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import models
from django.utils import timezone

from hosting.models.backup import Backup
from hosting.models.instance import Instance


class Trial(models.Model):
    """One try: the backup in an instance of its own that nobody reaches and that reaches nobody."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    backup: models.ForeignKey[Backup, Backup]
    scratch = models.OneToOneField(
        Instance, on_delete=models.PROTECT, related_name="%(class)s", help_text="Where it was."
    )
    checks = models.JSONField(
        default=dict, help_text="By name: what was wanted, and what the restored data said."
    )
    seconds = models.FloatField(
        null=True, blank=True, help_text="From the first look at the backup until the app answered."
    )
    passed = models.BooleanField(null=True, blank=True, help_text="Unknown as long as it goes on.")
    reason = models.TextField(blank=True, default="", help_text="Why it did not pass.")
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        ordering = ("-created_at",)

    @property
    def took(self) -> timedelta | None:
        """How long it took from the backup on; None where it came to nothing."""
        return None if self.seconds is None else timedelta(seconds=self.seconds)


def result_constraints(plural: str) -> tuple[models.CheckConstraint, ...]:
    """What a result has to say; constraints' names are unique in the database."""
    return (
        models.CheckConstraint(
            condition=models.Q(passed=None, ended_at=None)
            | models.Q(passed__isnull=False, ended_at__isnull=False),
            name=f"{plural}_end_with_a_result",
        ),
        models.CheckConstraint(
            condition=~models.Q(passed=True) | models.Q(seconds__isnull=False),
            name=f"{plural}_that_passed_were_timed",
        ),
        models.CheckConstraint(
            condition=~models.Q(passed=False) | ~models.Q(reason=""),
            name=f"{plural}_that_failed_have_a_reason",
        ),
    )
