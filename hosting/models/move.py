"""What restores and upgrades have in common: the instance goes elsewhere, and can come back."""

from __future__ import annotations

import uuid
from dataclasses import replace

from django.db import models
from django.utils import timezone

from hosting.models.backup import Backup
from hosting.models.footing import Footing
from hosting.models.instance import Instance
from hosting.models.operation import Operation


class Move(models.Model):
    """An instance's way from one set of data volumes to another.

    The data goes into volumes of a generation of its own, ``to_generation``. Those of
    ``from_generation`` stay as they were until ``kept_until``, and so long there is a way back.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    operation = models.OneToOneField(Operation, on_delete=models.PROTECT, related_name="%(class)s")
    safety = models.OneToOneField(
        Backup,
        on_delete=models.SET_NULL,
        related_name="made_before_%(class)s",
        null=True,
        blank=True,
        help_text="What was saved of the instance before; none where its data was lost.",
    )
    requested_at = models.DateTimeField(
        default=timezone.now, db_index=True, editable=False, help_text="When its operation was."
    )
    from_generation = models.PositiveIntegerField()
    to_generation = models.PositiveIntegerField()
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
        related_name="reverted_%(class)s",
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

    class Meta:
        abstract = True
        ordering = ("-requested_at",)

    def origin(self, instance: Instance) -> Footing:
        """What the instance stood on before."""
        return replace(Footing.of(instance), generation=self.from_generation)

    def goal(self, instance: Instance) -> Footing:
        """What it stands on afterwards."""
        return replace(Footing.of(instance), generation=self.to_generation)

    @property
    def keeps_data(self) -> bool:
        """Whether the data of before is another than that of afterwards."""
        return self.from_generation != self.to_generation
