"""How instances' containers stand: as last seen, and each look that did not find them well."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from hosting.models.health import Excuse
from hosting.models.instance import Instance

LONGEST_FAULTS = 200
UNHEALTHY = "unhealthy"
# What a container is that is not well, in the engine's words where it has one.
FAULTY_STATES = ("created", "restarting", "paused", "exited", "missing", UNHEALTHY)


class ContainerLook(models.Model):
    """A look that found a container not well, or the first after such that found all well.

    The others are not kept: they would be as many as the readings, and say nothing.
    """

    pk = models.CompositePrimaryKey("instance_id", "at")
    instance = models.ForeignKey(
        Instance,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    at = models.DateTimeField(help_text="When the server was asked.")
    is_well = models.BooleanField()
    faults = models.CharField(max_length=LONGEST_FAULTS, blank=True, default="")
    excuse = models.CharField(max_length=12, blank=True, default="", choices=Excuse)

    objects: ClassVar[models.Manager[ContainerLook]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.instance_id} at {self.at:%Y-%m-%d %H:%M:%S}: {self.faults or 'well'}"


class ContainerHealth(models.Model):
    """How an instance's containers stand now: by the last look that counts, and how many in a row.

    ``faults`` is a sentence's part: "worker exited (137, out of memory)".
    """

    instance = models.OneToOneField(
        Instance, on_delete=models.CASCADE, primary_key=True, related_name="container_health"
    )
    at = models.DateTimeField(help_text="When the server was asked.")
    is_well = models.BooleanField()
    running = models.PositiveSmallIntegerField(help_text="Of its containers.")
    total = models.PositiveSmallIntegerField(help_text="Containers that it is to have.")
    faults = models.CharField(max_length=LONGEST_FAULTS, blank=True, default="")
    states = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        help_text="How many of its containers are in which state, of those that are not well.",
    )
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    successes = models.PositiveIntegerField(default=0, help_text="In a row.")
    failing_since = models.DateTimeField(null=True)
    is_failing = models.BooleanField(
        default=False, help_text="Failed often enough, and not well again often enough since."
    )

    objects: ClassVar[models.Manager[ContainerHealth]] = models.Manager()

    class Meta:
        verbose_name_plural = "container health"
        indexes = (
            models.Index(
                fields=("instance",),
                condition=models.Q(is_failing=True),
                name="containers_failing",
            ),
        )

    def __str__(self) -> str:
        return f"{self.instance_id}: {self.shown}"

    @property
    def shown(self) -> str:
        """In the words of pages: how many run, and what is wrong with the others."""
        count = f"{self.running} of {self.total} running"
        return f"{count}: {self.faults}" if self.faults else count
