"""What plans include a month: how much of it was used, what was said of that, what is held back."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from hosting.models.instance import Instance


class UsageLimit(models.TextChoices):
    """What can be limited."""

    EXECUTIONS = "executions", "Executions"
    TOKENS = "tokens", "Tokens of language models"
    COST = "cost", "Spending on language models"


class LimitReached(models.Model):
    """That an instance used so much of what its plan includes that month; said once.

    With a larger plan it is another limit, whose thresholds are said anew.
    """

    Limit = UsageLimit

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="limits_reached")
    limit = models.CharField(max_length=10, choices=UsageLimit)
    month = models.DateField()
    threshold = models.PositiveSmallIntegerField(help_text="Percent.")
    used = models.DecimalField(max_digits=30, decimal_places=6)
    allowed = models.DecimalField(max_digits=30, decimal_places=6)
    unit = models.CharField(max_length=20)
    reached_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[LimitReached]] = models.Manager()

    class Meta:
        ordering = ("-reached_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("instance", "limit", "month", "threshold", "allowed"),
                name="each_threshold_is_said_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.threshold} % of {self.limit} of {self.instance_id}"


class UsageHold(models.Model):
    """That an instance used up what its plan includes, and what follows until that is over."""

    Limit = UsageLimit

    class Kind(models.TextChoices):
        BLOCK = "block", "New usage is refused"
        STOP = "stop", "Stopped"

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="usage_holds")
    limit = models.CharField(max_length=10, choices=UsageLimit)
    kind = models.CharField(max_length=5, choices=Kind)
    month = models.DateField()
    allowed = models.DecimalField(max_digits=30, decimal_places=6)
    unit = models.CharField(max_length=20)
    since = models.DateTimeField()
    stopped_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was stopped for this; empty until it could be."
    )
    lifted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[UsageHold]] = models.Manager()

    class Meta:
        ordering = ("-since",)
        constraints = (
            models.UniqueConstraint(
                fields=("instance", "limit"),
                condition=models.Q(lifted_at=None),
                name="one_hold_a_limit",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} of {self.instance_id} for {self.limit}"
