"""What clients were given back for downtime: once for a month and an instance."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from billing.models.invoice import Invoice
from billing.models.subscription import Subscription


class DowntimeCredit(models.Model):
    """That a month's downtime was made good on an invoice. A trigger refuses changes.

    ``evidence`` is what was known of the month, and of which charges the share was taken.
    """

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="+")
    month = models.DateField(help_text="Its first day, by the client's clock.")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="+")
    percent = models.DecimalField(max_digits=6, decimal_places=3)
    amount = models.DecimalField(max_digits=20, decimal_places=3, help_text="Without VAT.")
    evidence = models.JSONField(default=dict)
    given_at = models.DateTimeField()

    objects: ClassVar[models.Manager[DowntimeCredit]] = models.Manager()

    class Meta:
        ordering = ("-month", "subscription")
        constraints = (
            models.UniqueConstraint(
                fields=("subscription", "month"), name="one_credit_a_month_and_instance"
            ),
            models.CheckConstraint(
                condition=models.Q(amount__gt=0, percent__gt=0, percent__lte=100),
                name="downtime_credits_are_a_share",
            ),
        )

    def __str__(self) -> str:
        return f"credit for {self.month:%B %Y}"
