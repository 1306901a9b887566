"""What servers cost: hosting knows no money."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from billing.models.rate import CURRENCY
from hosting.models import Server

_PER_CENT = (MaxValueValidator(100),)


class ServerCost(models.Model):
    """What a server costs a month from a day on, until its next cost, and what it is for.

    The weights say which part of it is for CPU, memory and disk; each part is shared out by what is
    reserved of that.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    server = models.ForeignKey(Server, on_delete=models.PROTECT, related_name="+")
    valid_from = models.DateField(help_text="The first day, by the seller's clock.")
    currency = models.CharField(max_length=3, default="EUR", validators=[CURRENCY])
    amount = models.DecimalField(
        "a month", max_digits=14, decimal_places=3, validators=[MinValueValidator(Decimal(0))]
    )
    cpu_weight = models.PositiveSmallIntegerField(
        "for CPU, %", default=40, validators=_PER_CENT, help_text="The three make up 100."
    )
    memory_weight = models.PositiveSmallIntegerField(
        "for memory, %", default=40, validators=_PER_CENT
    )
    disk_weight = models.PositiveSmallIntegerField("for disk, %", default=20, validators=_PER_CENT)

    objects: ClassVar[models.Manager[ServerCost]] = models.Manager()

    class Meta:
        ordering = ("server", "-valid_from")
        permissions = (("view_margin", "Can view margins"),)
        constraints = (
            models.UniqueConstraint(
                fields=("server", "valid_from"),
                name="one_server_cost_a_day",
                violation_error_message="This server has a cost from that day on already.",
            ),
            models.CheckConstraint(
                condition=models.Q(amount__gte=0), name="server_costs_are_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    disk_weight=100 - models.F("cpu_weight") - models.F("memory_weight")
                ),
                name="server_costs_are_for_something",
                violation_error_message="The three weights make up 100.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.server} from {self.valid_from}"
