"""What a server holds under Berth's labels and no instance claims."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from hosting.models.server import Server


class Stray(models.Model):
    """A container, network or volume that carries this installation's label and has no instance.

    A container is stopped and cut off from its networks. Nothing is removed until staff ask for it.
    """

    class Kind(models.TextChoices):
        CONTAINER = "container", "Container"
        NETWORK = "network", "Network"
        VOLUME = "volume", "Volume"

    class State(models.TextChoices):
        FOUND = "found", "Found"
        QUARANTINED = "quarantined", "Quarantined"
        REMOVAL_REQUESTED = "removal_requested", "To be removed"
        REMOVED = "removed", "Removed"
        GONE = "gone", "Gone by itself"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="strays")
    kind = models.CharField(max_length=10, choices=Kind)
    reference = models.CharField(
        max_length=255, help_text="By which the engine finds it: a container's id, else its name."
    )
    name = models.CharField(max_length=255)
    instance_label = models.CharField(
        max_length=255, blank=True, help_text="The instance that it says it belongs to."
    )
    state = models.CharField(max_length=18, choices=State, default=State.FOUND)
    note = models.TextField(blank=True, help_text="What became of the last attempt.")
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Stray]] = models.Manager()

    class Meta:
        ordering = ("-first_seen_at",)
        permissions = (("remove_stray", "Can have objects removed that belong to no instance"),)
        constraints = (
            models.UniqueConstraint(
                fields=("server", "kind", "reference"),
                condition=models.Q(ended_at=None),
                name="one_row_per_stray",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=("removed", "gone"), ended_at__isnull=False)
                | (~models.Q(state__in=("removed", "gone")) & models.Q(ended_at=None)),
                name="ended_strays_have_an_end",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"

    @property
    def is_there(self) -> bool:
        """Whether the server still holds it."""
        return self.ended_at is None
