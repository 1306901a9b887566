"""What clients mean to spend, by themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models

from tenants.models import Client


class ClientBudget(models.Model):
    """How much a client means to spend a month on all of its instances, without VAT.

    It holds nothing back: the client is told when a part of it is reached.
    """

    client = models.OneToOneField(Client, on_delete=models.CASCADE, related_name="+")
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(
        "a month",
        max_digits=15,
        decimal_places=3,
        validators=[MinValueValidator(Decimal("0.001"))],
    )

    objects: ClassVar[models.Manager[ClientBudget]] = models.Manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(amount__gt=0), name="client_budgets_are_more_than_nothing"
            ),
        )

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} a month of {self.client}"
