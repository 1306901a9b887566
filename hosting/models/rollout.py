"""A new version for all instances of an app, in waves."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from hosting.models.instance import Instance
from hosting.models.operation import Operation
from hosting.models.rehearsal import Rehearsal


class Rollout(models.Model):
    """One version of one app, for every instance that has not opted out, a few at a time.

    The first wave is the canaries. It stops itself when more than ``most_failures`` have failed.
    """

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Done"
        STOPPED = "stopped", "Stopped"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    app = models.CharField(max_length=63)
    version = models.CharField(max_length=40)
    wave_size = models.PositiveIntegerField(default=5, validators=[MinValueValidator(1)])
    pause = models.DurationField(
        default=timedelta(hours=1), help_text="Between the end of a wave and the next one."
    )
    most_failures = models.PositiveIntegerField(
        default=0, help_text="It stops itself when more instances than this have failed."
    )
    in_window = models.BooleanField(
        default=True, help_text="Each instance is changed within its own hours only."
    )
    next_wave_at = models.DateTimeField(null=True, blank=True)
    held_at = models.DateTimeField(
        "paused", null=True, blank=True, help_text="Since when it begins nothing more, by hand."
    )
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    reason = models.TextField(blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    requested_by_label = models.CharField(max_length=200)
    requested_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Rollout]] = models.Manager()

    class Meta:
        ordering = ("-requested_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("app",), condition=models.Q(state="running"), name="one_rollout_per_app"
            ),
            models.CheckConstraint(condition=models.Q(wave_size__gt=0), name="rollouts_have_waves"),
            models.CheckConstraint(
                condition=models.Q(state="running", finished_at=None)
                | (~models.Q(state="running") & models.Q(finished_at__isnull=False)),
                name="ended_rollouts_have_an_end",
            ),
        )

    def __str__(self) -> str:
        return f"rollout of {self.app} {self.version}"

    @property
    def is_held(self) -> bool:
        """Whether it goes on only once somebody says so."""
        return self.state == self.State.RUNNING and self.held_at is not None


class RolloutItem(models.Model):
    """One instance of a rollout. Wave 0 is the canaries."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        REHEARSING = "rehearsing", "Rehearsing"
        CHANGING = "changing", "Changing"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        SKIPPED = "skipped", "Skipped"

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="items")
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="rollout_items")
    wave = models.PositiveIntegerField()
    rehearsal = models.ForeignKey(
        Rehearsal, on_delete=models.PROTECT, null=True, blank=True, related_name="rollout_items"
    )
    operation = models.OneToOneField(
        Operation, on_delete=models.PROTECT, null=True, blank=True, related_name="rollout_item"
    )
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.TextField(blank=True)

    objects: ClassVar[models.Manager[RolloutItem]] = models.Manager()

    class Meta:
        ordering = ("rollout", "wave", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("rollout", "instance"), name="one_rollout_item_per_instance"
            ),
        )

    def __str__(self) -> str:
        return f"{self.instance} in {self.rollout}"


AT_WORK = (RolloutItem.State.REHEARSING, RolloutItem.State.CHANGING)
