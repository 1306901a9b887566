"""What instances spent on language models, day by day."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from billing.models.rate import Rate
from hosting.models import Instance


class ModelCost(models.Model):
    """One instance's use of one model on one day of its client's, and what it costs.

    Without a rate it is kept all the same: it has no price yet, and gets one with the rate.
    ``amount`` is exact; it is rounded once, where it is charged.
    """

    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=100)
    on = models.DateField()
    requests = models.BigIntegerField()
    input = models.BigIntegerField()
    output = models.BigIntegerField()
    cached = models.BigIntegerField()
    rate = models.ForeignKey(
        Rate, on_delete=models.PROTECT, null=True, blank=True, related_name="costs"
    )
    currency = models.CharField(max_length=3, blank=True)
    amount = models.DecimalField(max_digits=30, decimal_places=12, null=True, blank=True)
    usage_at = models.DateTimeField(
        db_index=True, help_text="When the sums that it is of were computed."
    )

    objects: ClassVar[models.Manager[ModelCost]] = models.Manager()

    class Meta:
        ordering = ("-on", "instance", "model")
        constraints = (
            models.UniqueConstraint(
                fields=("instance", "on", "model"), name="one_cost_a_model_and_day"
            ),
            models.CheckConstraint(
                condition=models.Q(rate=None, amount=None, currency="")
                | (models.Q(rate__isnull=False, amount__gte=0) & ~models.Q(currency="")),
                name="what_has_a_rate_has_a_price",
            ),
        )
        indexes = (
            models.Index(fields=("model", "on"), name="cost_by_model"),
            models.Index(fields=("on",), name="cost_by_day"),
        )

    def __str__(self) -> str:
        return f"{self.model} of {self.instance_id} on {self.on}"
