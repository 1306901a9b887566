"""One thing asked of many instances, in waves."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from hosting.models.instance import Instance
from hosting.models.operation import Operation
from hosting.models.server import Server


class FleetAction(models.Model):
    """The same operation for every instance of a server, a few at a time.

    It stops itself when more than ``most_failures`` of its operations have failed.
    """

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Done"
        STOPPED = "stopped", "Stopped"

    class Purpose(models.TextChoices):
        ASKED = "asked", "Asked for"
        DRAIN = "drain", "Drain"
        REOPEN = "reopen", "Reopen after a drain"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    server = models.ForeignKey(Server, on_delete=models.PROTECT, related_name="fleet_actions")
    kind = models.CharField(max_length=12, choices=Operation.Kind)
    purpose = models.CharField(max_length=8, choices=Purpose, default=Purpose.ASKED)
    wave_size = models.PositiveIntegerField(default=5, validators=[MinValueValidator(1)])
    most_failures = models.PositiveIntegerField(
        default=1, help_text="It stops itself when more of its operations than this have failed."
    )
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    reason = models.TextField(blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    requested_by_label = models.CharField(max_length=200)
    requested_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[FleetAction]] = models.Manager()

    class Meta:
        ordering = ("-requested_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("server",),
                condition=models.Q(state="running"),
                name="one_fleet_action_per_server",
            ),
            models.CheckConstraint(
                condition=models.Q(wave_size__gt=0), name="fleet_action_has_waves"
            ),
            models.CheckConstraint(
                condition=models.Q(state="running", finished_at=None)
                | (~models.Q(state="running") & models.Q(finished_at__isnull=False)),
                name="ended_fleet_actions_have_an_end",
            ),
        )

    def __str__(self) -> str:
        return f"{Operation.Kind(self.kind).label} all on {self.server}"


class FleetActionItem(models.Model):
    """One instance of a fleet action."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        SKIPPED = "skipped", "Skipped"

    action = models.ForeignKey(FleetAction, on_delete=models.CASCADE, related_name="items")
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="fleet_items")
    wave = models.PositiveIntegerField()
    operation = models.OneToOneField(
        Operation, on_delete=models.PROTECT, null=True, blank=True, related_name="fleet_item"
    )
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.TextField(blank=True)

    objects: ClassVar[models.Manager[FleetActionItem]] = models.Manager()

    class Meta:
        ordering = ("action", "wave", "pk")
        constraints = (
            models.UniqueConstraint(fields=("action", "instance"), name="one_item_per_instance"),
        )

    def __str__(self) -> str:
        return f"{self.instance} in {self.action}"
