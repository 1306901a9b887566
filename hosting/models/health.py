"""Whether instances answer: each look at one, how it stands now, and the history by quarter hour.

What is down or up is told in seconds: a look stands for the time until the next one is due, so that
the share of a day or a month is right also where the interval was changed in between.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from hosting.models.instance import Instance

# Upper ends of the buckets that response times are counted in, in ms; the last one is open.
RESPONSE_BUCKETS_MS = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000)


class Excuse(models.TextChoices):
    """Why a look does not count against the instance."""

    NONE = "", "Counts"
    MAINTENANCE = "maintenance", "Announced maintenance"
    OPERATION = "operation", "An operation was going on"
    HELD = "held", "Its requests were held"
    STOPPED = "stopped", "It was not to run"


class Probe(models.Model):
    """One look at an instance: asked at its own address, and at its public one.

    ``at`` is the moment that it was due, so that two processes that look make one row.
    """

    pk = models.CompositePrimaryKey("instance_id", "at")
    instance = models.ForeignKey(
        Instance,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    at = models.DateTimeField()
    seconds = models.PositiveSmallIntegerField(help_text="For how long it stands.")
    is_up = models.BooleanField()
    is_answering = models.BooleanField(help_text="Whether the app itself gave a good answer.")
    status = models.PositiveSmallIntegerField(null=True, help_text="What the app answered.")
    ms = models.PositiveIntegerField(null=True, help_text="How long it took for that.")
    public_status = models.PositiveSmallIntegerField(null=True)
    public_ms = models.PositiveIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True, default="")
    excuse = models.CharField(max_length=12, blank=True, default="", choices=Excuse)

    objects: ClassVar[models.Manager[Probe]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.instance_id} at {self.at:%Y-%m-%d %H:%M:%S}: {self.status or self.error}"


class Health(models.Model):
    """How an instance stands now: what the last look showed, and how many in a row."""

    instance = models.OneToOneField(
        Instance, on_delete=models.CASCADE, primary_key=True, related_name="health"
    )
    at = models.DateTimeField(help_text="When the last look that counts was due.")
    is_up = models.BooleanField()
    is_answering = models.BooleanField()
    status = models.PositiveSmallIntegerField(null=True)
    ms = models.PositiveIntegerField(null=True)
    public_status = models.PositiveSmallIntegerField(null=True)
    public_ms = models.PositiveIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True, default="")
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    successes = models.PositiveIntegerField(default=0, help_text="In a row.")
    failing_since = models.DateTimeField(null=True)
    is_down = models.BooleanField(
        default=False, help_text="Failed often enough, and not well again often enough since."
    )

    objects: ClassVar[models.Manager[Health]] = models.Manager()

    class Meta:
        verbose_name_plural = "health"
        indexes = (
            models.Index(
                fields=("instance",),
                condition=models.Q(is_down=True) | models.Q(failures__gt=0),
                name="health_failing",
            ),
        )

    def __str__(self) -> str:
        return f"{self.instance_id}: {'up' if self.is_up else 'down'}"


class HealthCounts(models.Model):
    """What the looks of a stretch of time come to.

    Looks that are excused are in ``excused_seconds`` and nowhere else. ``buckets`` counts response
    times by ``RESPONSE_BUCKETS_MS``.
    """

    checks = models.PositiveIntegerField()
    failures = models.PositiveIntegerField()
    known_seconds = models.PositiveIntegerField()
    down_seconds = models.PositiveIntegerField()
    excused_seconds = models.PositiveIntegerField()
    responses = models.PositiveIntegerField()
    ms_sum = models.BigIntegerField()
    ms_max = models.PositiveIntegerField(null=True)
    buckets = ArrayField(models.PositiveIntegerField())

    class Meta:
        abstract = True


class HealthSlot(HealthCounts):
    """A quarter of an hour, in UTC: the quarters fit into the days of every time zone."""

    pk = models.CompositePrimaryKey("instance_id", "start")
    instance = models.ForeignKey(
        Instance,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    start = models.DateTimeField()

    objects: ClassVar[models.Manager[HealthSlot]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.instance_id} from {self.start:%Y-%m-%d %H:%M}"


class HealthDay(HealthCounts):
    """A day by the clock of the instance's client; ``zone`` is the one it begins by."""

    id = models.BigAutoField(primary_key=True)
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="health_days")
    day = models.DateField()
    zone = models.CharField(max_length=64)

    objects: ClassVar[models.Manager[HealthDay]] = models.Manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("instance", "day"), name="one_health_day_a_day"),
        )
        indexes = (
            # Few days have any: what billing gives back for is found among these alone.
            models.Index(
                fields=("instance", "day"),
                condition=models.Q(down_seconds__gt=0),
                name="health_day_with_downtime",
            ),
        )

    def __str__(self) -> str:
        return f"{self.instance_id} on {self.day}"


class HealthMark(models.Model):
    """A quarter of an hour whose looks were not counted yet."""

    pk = models.CompositePrimaryKey("start", "instance_id")
    start = models.DateTimeField()
    instance = models.ForeignKey(
        Instance,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )

    objects: ClassVar[models.Manager[HealthMark]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.instance_id} from {self.start:%Y-%m-%d %H:%M}"


class MaintenanceWindow(models.Model):
    """A time in which staff may take instances away: announced, and no part of the uptime.

    About one server, one instance, or everything.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    server = models.ForeignKey(
        "hosting.Server",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="maintenance_windows",
    )
    instance = models.ForeignKey(
        Instance,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="maintenance_windows",
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    what = models.TextField(
        "what happens", max_length=500, help_text="For the clients, in a sentence or two."
    )
    planned_by_label = models.CharField(max_length=200, editable=False)
    planned_at = models.DateTimeField(editable=False)
    cancelled_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[models.Manager[MaintenanceWindow]] = models.Manager()

    class Meta:
        ordering = ("-starts_at",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(server=None) | models.Q(instance=None),
                name="maintenance_is_about_one_thing",
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="maintenance_ends_after_it_began",
                violation_error_message="It has to end after it begins.",
            ),
        )
        indexes = (
            models.Index(
                fields=("ends_at",),
                condition=models.Q(cancelled_at=None),
                name="maintenance_by_end",
            ),
        )

    def __str__(self) -> str:
        about = self.server or self.instance or "everything"
        return f"maintenance of {about}, {self.starts_at:%Y-%m-%d %H:%M} UTC"
