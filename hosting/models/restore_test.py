"""Backups that were brought back to see whether they can be."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.utils import timezone

from hosting.models.backup import Backup
from hosting.models.instance import Instance


class RestoreTest(models.Model):
    """One try: the backup in an instance of its own that nobody reaches and that reaches nobody."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    backup = models.ForeignKey(Backup, on_delete=models.PROTECT, related_name="restore_tests")
    scratch = models.OneToOneField(
        Instance, on_delete=models.PROTECT, related_name="restore_test", help_text="Where it was."
    )
    checks = models.JSONField(
        default=dict, help_text="By name: what was wanted, and what the restored data said."
    )
    seconds = models.FloatField(
        null=True,
        blank=True,
        help_text="From the first look at the backup until the app answered: the measured RTO.",
    )
    passed = models.BooleanField(null=True, blank=True, help_text="Unknown as long as it goes on.")
    reason = models.TextField(blank=True, default="", help_text="Why it did not pass.")
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[RestoreTest]] = models.Manager()

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(passed=None, ended_at=None)
                | models.Q(passed__isnull=False, ended_at__isnull=False),
                name="restore_tests_end_with_a_result",
            ),
            models.CheckConstraint(
                condition=~models.Q(passed=True) | models.Q(seconds__isnull=False),
                name="restore_tests_that_passed_were_timed",
            ),
            models.CheckConstraint(
                condition=~models.Q(passed=False) | ~models.Q(reason=""),
                name="restore_tests_that_failed_have_a_reason",
            ),
        )

    def __str__(self) -> str:
        return f"restore test of {self.backup}"

    @property
    def took(self) -> timedelta | None:
        """How long it took to bring the backup back; None where it was not."""
        return None if self.seconds is None else timedelta(seconds=self.seconds)
