"""Backups that were brought back to see whether they can be."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from hosting.models.backup import Backup
from hosting.models.instance import Instance
from hosting.models.trial import Trial, result_constraints


class RestoreTest(Trial):
    """One try to bring the backup back as it was; ``seconds`` is the measured RTO."""

    # Not inherited: their other ends have names that can't be made of the class.
    scratch = models.OneToOneField(
        Instance, on_delete=models.PROTECT, related_name="restore_test", help_text="Where it was."
    )
    backup = models.ForeignKey(Backup, on_delete=models.PROTECT, related_name="restore_tests")

    objects: ClassVar[models.Manager[RestoreTest]] = models.Manager()

    class Meta(Trial.Meta):
        constraints = result_constraints("restore_tests")
        indexes = (
            models.Index(
                fields=("-ended_at", "backup"),
                condition=models.Q(passed=True),
                name="restore_test_passed_lately",
            ),
        )

    def __str__(self) -> str:
        return f"restore test of {self.backup}"
