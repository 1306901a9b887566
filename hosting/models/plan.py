"""What an instance may use."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from hosting.models.sla import validate_tiers
from tenants.models.client import validate_dns_label

JOURNAL_SHARE = 5  # of the disk: a fifth at most waits for being fetched


class Plan(models.Model):
    """Limits of a whole stack; the catalog says which service gets which share of them."""

    class AtLimit(models.TextChoices):
        NOTIFY = "notify", "Say so"
        BLOCK = "block", "Refuse new usage"
        STOP = "stop", "Stop the instance"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(
        "short name", max_length=40, unique=True, validators=[validate_dns_label]
    )
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=200, blank=True)
    cpus = models.DecimalField(
        "CPUs", max_digits=6, decimal_places=2, validators=[MinValueValidator(Decimal("0.1"))]
    )
    memory_mb = models.PositiveIntegerField(
        "memory (MiB)", validators=[MinValueValidator(64)], help_text="Of the whole stack."
    )
    disk_gb = models.PositiveIntegerField("disk (GiB)", validators=[MinValueValidator(1)])
    processes = models.PositiveIntegerField(
        default=1024, validators=[MinValueValidator(32)], help_text="Processes and threads at most."
    )
    keep_daily = models.PositiveSmallIntegerField(
        "backups kept: days", default=7, validators=[MinValueValidator(1)]
    )
    keep_weekly = models.PositiveSmallIntegerField("backups kept: weeks", default=4)
    keep_monthly = models.PositiveSmallIntegerField("backups kept: months", default=3)
    keep_yearly = models.PositiveSmallIntegerField("backups kept: years", default=0)
    point_in_time_days = models.PositiveSmallIntegerField(
        "restore to a minute: days",
        default=0,
        validators=[MaxValueValidator(90)],
        help_text="How far back databases can be restored to any minute; 0 where they can't.",
    )
    sla_tiers = models.JSONField(
        "credits for downtime",
        default=list,
        blank=True,
        validators=[validate_tiers],
        help_text="Such as [[99.9, 10], [99.0, 25]]: 10 % of a month's price where it was there for"
        " less than 99.9 % of it, 25 % below 99.0 %. Empty: as set for the installation.",
    )
    included_executions = models.PositiveBigIntegerField(
        "executions a month", null=True, blank=True, help_text="Empty: as many as one likes."
    )
    included_tokens = models.PositiveBigIntegerField(
        "tokens of language models a month",
        null=True,
        blank=True,
        help_text="Given and answered together. Empty: as many as one likes.",
    )
    at_limit = models.CharField(
        "when they are used up",
        max_length=6,
        choices=AtLimit,
        default=AtLimit.NOTIFY,
        help_text="Also when a budget is.",
    )
    is_active = models.BooleanField(
        "offered", default=True, help_text="Only offered plans can be ordered; others stay in use."
    )
    position = models.PositiveSmallIntegerField(default=0, help_text="Smaller comes first.")

    objects: ClassVar[models.Manager[Plan]] = models.Manager()

    class Meta:
        ordering = ("position", "memory_mb", "slug")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(cpus__gt=0, memory_mb__gt=0, disk_gb__gt=0, processes__gt=0),
                name="plan_limits_are_positive",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def memory_bytes(self) -> int:
        """The memory limit in bytes."""
        return self.memory_mb * 1024 * 1024

    @property
    def journal_bytes(self) -> int:
        """How much of a database's journal may wait on the server; 0 where none is kept."""
        return self.disk_gb * 1024**3 // JOURNAL_SHARE if self.point_in_time_days else 0
