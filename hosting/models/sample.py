"""What instances use: readings as they were taken, and what is rolled up from them.

``Sample`` -> ``ResourceQuarter`` -> ``ResourceDay``. Only the first is written by who measures; the
others are always computed anew from it, never added to (``hosting/services/measuring/rollups.py``).
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils import timezone

from hosting.models.instance import Instance
from hosting.models.plan import Plan


def _of_an_instance() -> models.ForeignKey[Instance, Instance]:
    """The column alone: partitions have no foreign keys, see ``models/partitioning.py``."""
    return models.ForeignKey(
        Instance, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )


class Sample(models.Model):
    """One reading of one container: counters since its start, gauges as they were.

    Partitioned by day. All containers of a server that are read in one round have the same ``at``.
    """

    pk = models.CompositePrimaryKey("instance_id", "at", "service")
    instance = _of_an_instance()
    at = models.DateTimeField()
    service = models.CharField(max_length=63)
    container = models.IntegerField(help_text="A digest of its id: another one counts from zero.")
    cpu_microseconds = models.BigIntegerField()
    cpu_periods = models.BigIntegerField()
    throttled_periods = models.BigIntegerField()
    throttled_microseconds = models.BigIntegerField()
    memory_bytes = models.BigIntegerField()
    memory_limit_bytes = models.BigIntegerField(null=True)
    network_received_bytes = models.BigIntegerField()
    network_sent_bytes = models.BigIntegerField()
    disk_read_bytes = models.BigIntegerField()
    disk_written_bytes = models.BigIntegerField()
    pids = models.IntegerField()

    objects: ClassVar[models.Manager[Sample]] = models.Manager()

    class Meta:
        # Of all instances by time: rows come in its order, so a few bytes for 128 KB are enough.
        indexes = (
            BrinIndex(
                fields=("at",), autosummarize=True, pages_per_range=16, name="sample_by_time"
            ),
        )

    def __str__(self) -> str:
        return f"{self.service} at {self.at:%Y-%m-%d %H:%M:%S}"


class VolumeSample(models.Model):
    """How much all volumes of an instance held at a moment. Partitioned by day."""

    pk = models.CompositePrimaryKey("instance_id", "at")
    instance = _of_an_instance()
    at = models.DateTimeField()
    used_bytes = models.BigIntegerField()

    objects: ClassVar[models.Manager[VolumeSample]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.used_bytes} bytes at {self.at:%Y-%m-%d %H:%M:%S}"


class DirtyQuarter(models.Model):
    """A quarter of an hour in which a reading came, and that is to be rolled up (anew)."""

    pk = models.CompositePrimaryKey("at", "instance_id")
    instance = _of_an_instance()
    at = models.DateTimeField(help_text="When the quarter begins.")

    objects: ClassVar[models.Manager[DirtyQuarter]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"


class Rollup(models.Model):
    """What an instance used in a stretch of time, all its services together."""

    seconds = models.FloatField(help_text="How much of the time was measured.")
    cpu_seconds = models.FloatField()
    cpu_max = models.FloatField(help_text="In cores, the most between two readings.")
    cpu_periods = models.BigIntegerField()
    throttled_periods = models.BigIntegerField()
    throttled_seconds = models.FloatField()
    memory_bytes = models.BigIntegerField(null=True, help_text="The average, weighted by time.")
    memory_max_bytes = models.BigIntegerField(null=True)
    memory_fullest = models.FloatField(
        null=True, help_text="How near a service came to its own limit; 1 is there."
    )
    network_received_bytes = models.BigIntegerField()
    network_sent_bytes = models.BigIntegerField()
    disk_read_bytes = models.BigIntegerField()
    disk_written_bytes = models.BigIntegerField()
    volume_bytes = models.BigIntegerField(null=True, help_text="The last that was measured.")

    class Meta:
        abstract = True


class ResourceQuarter(Rollup):
    """Of a quarter of an hour in UTC, which divides every time zone. Partitioned by month."""

    pk = models.CompositePrimaryKey("instance_id", "at")
    instance = _of_an_instance()
    at = models.DateTimeField(help_text="When it begins.")

    objects: ClassVar[models.Manager[ResourceQuarter]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"


class ResourceDay(Rollup):
    """Of a day in the client's time zone: 23, 24 or 25 hours."""

    pk = models.CompositePrimaryKey("instance_id", "date")
    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, db_index=False, related_name="resource_days"
    )
    date = models.DateField()

    objects: ClassVar[models.Manager[ResourceDay]] = models.Manager()

    def __str__(self) -> str:
        return str(self.date)


class ResourceNow(models.Model):
    """The newest of an instance, for lists: a minute old at most while it is measured."""

    instance = models.OneToOneField(
        Instance, on_delete=models.CASCADE, primary_key=True, related_name="resource_now"
    )
    at = models.DateTimeField(null=True, help_text="When its containers were read.")
    cpu_cores = models.FloatField(null=True)
    memory_bytes = models.BigIntegerField(null=True)
    memory_fullest = models.FloatField(null=True)
    network_received_per_second = models.FloatField(null=True)
    network_sent_per_second = models.FloatField(null=True)
    volume_bytes = models.BigIntegerField(null=True)
    volume_at = models.DateTimeField(null=True, help_text="When its volumes were measured.")

    objects: ClassVar[models.Manager[ResourceNow]] = models.Manager()

    def __str__(self) -> str:
        return f"usage of {self.instance_id}"


class Crash(models.Model):
    """A container that ended without being told to, or ran out of memory, at that moment."""

    class Kind(models.TextChoices):
        ENDED = "ended", "Ended by itself"
        OUT_OF_MEMORY = "out_of_memory", "Ran out of memory"

    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, db_index=False, related_name="crashes"
    )
    service = models.CharField(max_length=63)
    kind = models.CharField(max_length=16, choices=Kind)
    at = models.DateTimeField()

    objects: ClassVar[models.Manager[Crash]] = models.Manager()

    class Meta:
        ordering = ("-at",)
        constraints = (
            models.UniqueConstraint(
                fields=("instance", "at", "kind", "service"), name="a_crash_counts_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.service}: {self.get_kind_display().lower()}"


class LimitWarning(models.Model):
    """That an instance comes near a limit of its plan: one open row a kind, however often noticed.

    ``summary`` is for the client.
    """

    class Kind(models.TextChoices):
        MEMORY = "memory", "Memory nearly full"
        CPU = "cpu", "Held back by its CPU limit"
        DISK = "disk", "Disk filling"
        RESTARTS = "restarts", "Restarts again and again"
        OUT_OF_MEMORY = "out_of_memory", "Ran out of memory"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="limit_warnings")
    kind = models.CharField(max_length=16, choices=Kind)
    summary = models.TextField(help_text="What happens, in a sentence that a client understands.")
    plan = models.ForeignKey(
        Plan,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The smallest offered plan that would be enough.",
    )
    full_date = models.DateField(
        null=True, blank=True, help_text="The day on which the disk is full, as it fills now."
    )
    opened_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[LimitWarning]] = models.Manager()

    class Meta:
        ordering = ("-opened_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("instance", "kind"),
                condition=models.Q(closed_at=None),
                name="one_open_limit_warning_a_kind",
            ),
            models.CheckConstraint(
                condition=models.Q(closed_at=None) | models.Q(closed_at__gte=models.F("opened_at")),
                name="limit_warning_ends_after_it_began",
            ),
        )
        indexes = (models.Index(fields=("instance", "-opened_at"), name="limit_warning_of"),)

    def __str__(self) -> str:
        return self.get_kind_display()

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.closed_at is None
