"""What clients need not pay: coupons, discounts, and credit."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import ClassVar

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

from billing.models.rate import CURRENCY
from billing.models.subscription import Subscription
from tenants.models import Client

CODE = RegexValidator(r"^[A-Z0-9][A-Z0-9-]{1,38}[A-Z0-9]\Z", "Use capital letters and digits.")


class Kind(models.TextChoices):
    """What a discount's value is."""

    PERCENT = "percent", "Per cent"
    AMOUNT = "amount", "Amount"


class Coupon(models.Model):
    """A code for a discount: so much off, for so many periods."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    code = models.CharField(max_length=40, unique=True, validators=[CODE])
    kind = models.CharField(max_length=7, choices=Kind)
    value = models.DecimalField(
        max_digits=14, decimal_places=3, validators=[MinValueValidator(Decimal("0.001"))]
    )
    currency = models.CharField(max_length=3, blank=True, validators=[CURRENCY])
    periods = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="For how many; empty: always.",
    )
    valid_until = models.DateField(null=True, blank=True, help_text="The last day to use it.")

    objects: ClassVar[models.Manager[Coupon]] = models.Manager()

    class Meta:
        ordering = ("code",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(kind="percent", currency="", value__gt=0, value__lte=100)
                | (models.Q(kind="amount", value__gt=0) & ~models.Q(currency="")),
                name="coupons_are_per_cent_or_of_a_currency",
                violation_error_message="Up to 100 per cent without a currency,"
                " or an amount with its currency.",
            ),
        )

    def __str__(self) -> str:
        return self.code


class Discount(models.Model):
    """A coupon that a subscription has, from its next period on."""

    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="discounts"
    )
    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, related_name="+")
    first_day = models.DateField()
    periods_left = models.PositiveSmallIntegerField(null=True, blank=True)

    objects: ClassVar[models.Manager[Discount]] = models.Manager()

    class Meta:
        ordering = ("first_day", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("subscription", "coupon"),
                name="one_use_of_a_coupon",
                violation_error_message="It has that coupon already.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.coupon} of {self.subscription_id}"


class CreditEntry(models.Model):
    """One movement of a client's credit; the balance is their sum. A trigger refuses changes."""

    class Kind(models.TextChoices):
        GRANTED = "granted", "Granted"
        CREDITED = "credited", "From a credit note"
        APPLIED = "applied", "Paid an invoice"
        OVERPAID = "overpaid", "Paid too much"
        RETURNED = "returned", "Taken back from an invoice"
        PAID_OUT = "paid_out", "Went out again"

    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    amount = models.DecimalField(
        max_digits=14, decimal_places=3, help_text="Negative where it is used up."
    )
    reason = models.CharField(max_length=200)
    invoice = models.ForeignKey(
        "billing.Invoice", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    line = models.ForeignKey(
        "billing.BankLine", on_delete=models.PROTECT, null=True, blank=True, related_name="credits"
    )
    at = models.DateTimeField()

    objects: ClassVar[models.Manager[CreditEntry]] = models.Manager()

    class Meta:
        ordering = ("-at", "-pk")
        verbose_name_plural = "credit entries"
        constraints = (
            models.CheckConstraint(
                condition=models.Q(kind__in=("applied", "paid_out"), amount__lt=0)
                | (~models.Q(kind__in=("applied", "paid_out")) & models.Q(amount__gt=0)),
                name="credit_is_used_up_by_invoices_alone",
            ),
        )
        indexes = (models.Index(fields=("client",), name="credit_by_client"),)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} for {self.client_id}"
