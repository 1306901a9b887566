"""What a plan costs, in a currency, from a day on."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from billing.models.rate import CURRENCY
from hosting.models import Plan

_NOT_NEGATIVE = (MinValueValidator(Decimal(0)),)


class Interval(models.TextChoices):
    """How long a period is."""

    MONTH = "month", "Month"
    QUARTER = "quarter", "Quarter"
    YEAR = "year", "Year"


class Price(models.Model):
    """One version of a plan's price; the next one begins where it is no longer valid.

    A trigger refuses every change: whoever wants another price makes a new version. ``charges`` is
    a list of what ``services.pricing.charge_of`` reads, each with its ``meter``.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3, default="EUR", validators=[CURRENCY])
    interval = models.CharField(max_length=7, choices=Interval, default=Interval.MONTH)
    valid_from = models.DateField(help_text="The first day, by the client's clock.")
    amount = models.DecimalField(
        "amount a period", max_digits=14, decimal_places=3, validators=_NOT_NEGATIVE
    )
    setup_fee = models.DecimalField(
        max_digits=14, decimal_places=3, default=Decimal(0), validators=_NOT_NEGATIVE
    )
    trial_days = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(365)],
        help_text="So many days at the beginning cost nothing, usage neither.",
    )
    charges = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Price]] = models.Manager()

    class Meta:
        ordering = ("plan", "currency", "interval", "-valid_from")
        constraints = (
            models.UniqueConstraint(
                fields=("plan", "currency", "interval", "valid_from"),
                name="one_price_a_day",
                violation_error_message="This plan has a price from that day on already.",
            ),
            models.CheckConstraint(
                condition=models.Q(amount__gte=0, setup_fee__gte=0, trial_days__lte=365),
                name="prices_are_not_negative",
            ),
        )

    def __str__(self) -> str:
        return f"{self.plan} from {self.valid_from}"
