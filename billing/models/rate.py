"""What a language model's tokens cost, and how much of that a plan includes."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import ClassVar

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

from hosting.models import Plan

_NOT_NEGATIVE = (MinValueValidator(Decimal(0)),)
CURRENCY = RegexValidator(r"^[A-Z]{3}\Z", "A currency is three capital letters, such as EUR.")


class Rate(models.Model):
    """The prices of a model from a day on, until its next rate; each a million tokens.

    ``cached`` is for the part of the input that came from the model's cache; where it is empty,
    that costs what other input does.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model = models.CharField(max_length=100, help_text="As apps report it, in small letters.")
    starts_on = models.DateField("from", help_text="The first day, by the client's clock.")
    currency = models.CharField(max_length=3, default="EUR", validators=[CURRENCY])
    input = models.DecimalField(
        "input, a million tokens",
        max_digits=14,
        decimal_places=6,
        validators=_NOT_NEGATIVE,
    )
    output = models.DecimalField(
        "output, a million tokens",
        max_digits=14,
        decimal_places=6,
        validators=_NOT_NEGATIVE,
    )
    cached = models.DecimalField(
        "cached input, a million tokens",
        max_digits=14,
        decimal_places=6,
        validators=_NOT_NEGATIVE,
        null=True,
        blank=True,
    )

    objects: ClassVar[models.Manager[Rate]] = models.Manager()

    class Meta:
        ordering = ("model", "-starts_on")
        constraints = (
            models.UniqueConstraint(
                fields=("model", "starts_on"),
                name="one_rate_a_model_and_day",
                violation_error_message="This model has a rate from that day on already.",
            ),
            models.CheckConstraint(
                condition=models.Q(input__gte=0, output__gte=0)
                & (models.Q(cached=None) | models.Q(cached__gte=0)),
                name="rates_are_not_negative",
            ),
        )

    def __str__(self) -> str:
        return f"{self.model} from {self.starts_on}"


class PlanBudget(models.Model):
    """What instances of a plan may spend on language models in a month, each for itself."""

    plan = models.OneToOneField(Plan, on_delete=models.CASCADE, related_name="+")
    currency = models.CharField(max_length=3, default="EUR", validators=[CURRENCY])
    amount = models.DecimalField(
        "a month",
        max_digits=12,
        decimal_places=2,
        validators=[MinValueValidator(Decimal("0.01"))],
    )

    objects: ClassVar[models.Manager[PlanBudget]] = models.Manager()

    class Meta:
        ordering = ("plan",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(amount__gt=0), name="budgets_are_more_than_nothing"
            ),
        )

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} a month on {self.plan}"
