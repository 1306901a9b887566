"""Upgrades that were tried on a copy first."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from hosting.models.backup import Backup
from hosting.models.plan import Plan
from hosting.models.trial import Trial, result_constraints


class Rehearsal(Trial):
    """One try of an upgrade on what was brought back of a backup."""

    backup = models.ForeignKey(Backup, on_delete=models.PROTECT, related_name="rehearsals")
    to_version = models.CharField(max_length=40)
    to_definition = models.JSONField(editable=False)
    to_plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+")

    objects: ClassVar[models.Manager[Rehearsal]] = models.Manager()

    class Meta(Trial.Meta):
        constraints = result_constraints("rehearsals")

    def __str__(self) -> str:
        return f"rehearsal of {self.to_version} on {self.backup}"
