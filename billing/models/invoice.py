"""Invoices and credit notes: once issued, triggers refuse every change of them."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import ClassVar

from django.db import models

from billing.models.price import Price
from billing.models.subscription import Subscription
from tenants.models import Client


class Invoice(models.Model):
    """An invoice or a credit note. Amounts of credit notes are positive.

    ``seller``, ``buyer`` and ``tax`` are what they were at the issue: ``tax`` has the decision with
    its evidence, and the totals by category. What was paid is in ``Settlement``.
    """

    class Kind(models.TextChoices):
        INVOICE = "invoice", "Invoice"
        CREDIT_NOTE = "credit_note", "Credit note"

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ISSUED = "issued", "Issued"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=11, choices=Kind, default=Kind.INVOICE)
    state = models.CharField(max_length=6, choices=State, default=State.DRAFT)
    series = models.CharField(max_length=10, blank=True)
    sequence = models.PositiveBigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3)
    first_day = models.DateField()
    last_day = models.DateField()
    drafted_at = models.DateTimeField()
    issue_after = models.DateTimeField()
    issued_at = models.DateTimeField(null=True, blank=True)
    issued_on = models.DateField(null=True, blank=True, help_text="By the client's clock.")
    due_on = models.DateField(null=True, blank=True)
    net = models.DecimalField(max_digits=20, decimal_places=3, default=Decimal(0))
    vat = models.DecimalField("VAT", max_digits=20, decimal_places=3, default=Decimal(0))
    total = models.DecimalField(max_digits=20, decimal_places=3, default=Decimal(0))
    seller = models.JSONField(default=dict, blank=True)
    buyer = models.JSONField(default=dict, blank=True)
    tax = models.JSONField(default=dict, blank=True)
    corrects = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="credit_notes"
    )
    reason = models.CharField(max_length=200, blank=True, help_text="Of a credit note.")
    problem = models.TextField(blank=True, help_text="Why it is not issued yet, in one sentence.")

    objects: ClassVar[models.Manager[Invoice]] = models.Manager()

    class Meta:
        ordering = ("-drafted_at", "-sequence")
        constraints = (
            models.UniqueConstraint(
                fields=("series", "sequence"),
                condition=models.Q(sequence__isnull=False),
                name="one_invoice_a_number",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    state="draft", sequence=None, series="", issued_at=None, issued_on=None
                )
                | (
                    models.Q(
                        state="issued",
                        sequence__gte=1,
                        issued_at__isnull=False,
                        issued_on__isnull=False,
                        problem="",
                    )
                    & ~models.Q(series="")
                ),
                name="issued_invoices_have_a_number",
            ),
            models.CheckConstraint(
                condition=models.Q(net__gte=0, vat__gte=0, total=models.F("net") + models.F("vat")),
                name="invoices_add_up",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="invoice", corrects=None)
                | models.Q(kind="credit_note", corrects__isnull=False),
                name="credit_notes_correct_an_invoice",
            ),
        )
        indexes = (
            models.Index(fields=("client", "-drafted_at"), name="invoice_by_client"),
            models.Index(
                fields=("client", "issue_after"),
                condition=models.Q(state="draft"),
                name="invoice_to_be_issued",
            ),
            models.Index(
                fields=("issued_at",),
                condition=models.Q(state="issued"),
                name="invoice_by_issue",
            ),
        )

    def __str__(self) -> str:
        return self.number or f"draft of {self.drafted_at:%Y-%m-%d}"

    @property
    def number(self) -> str:
        """As it is written: its series and six digits or more. Empty for a draft."""
        return f"{self.series}-{self.sequence:06d}" if self.sequence else ""


class BillingPeriod(models.Model):
    """That a stretch of a subscription was taken to be billed, half-open, in UTC.

    A constraint of the database lets no two of a subscription overlap. It has no invoice where
    there was nothing to charge.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="periods")
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="periods"
    )
    first_day = models.DateField()
    end_day = models.DateField(help_text="The day after the last one, by the client's clock.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    rated_at = models.DateTimeField(help_text="Usage that was summed up later may not be in it.")

    objects: ClassVar[models.Manager[BillingPeriod]] = models.Manager()

    class Meta:
        ordering = ("subscription", "starts_at")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(
                    ends_at__gt=models.F("starts_at"), end_day__gt=models.F("first_day")
                ),
                name="billing_periods_have_a_length",
            ),
        )

    def __str__(self) -> str:
        return f"{self.first_day} to before {self.end_day}"


class InvoiceLine(models.Model):
    """One line: ``net`` is ``quantity x unit_price / base``, rounded to the currency's decimals.

    ``basis`` is what the amount can be computed from anew: see ``services.explaining``.
    """

    class Kind(models.TextChoices):
        RECURRING = "recurring", "Plan"
        SETUP = "setup", "Setup"
        USAGE = "usage", "Usage"
        ADJUSTMENT = "adjustment", "Late usage"
        DOWNTIME = "downtime", "Credit for downtime"
        DISCOUNT = "discount", "Discount"
        CREDIT = "credit", "Credit"

    invoice = models.ForeignKey(  # found by the constraint's index
        Invoice, on_delete=models.PROTECT, related_name="lines", db_index=False
    )
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10, choices=Kind)
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    period = models.ForeignKey(
        BillingPeriod, on_delete=models.PROTECT, null=True, blank=True, related_name="lines"
    )
    price = models.ForeignKey(
        Price, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    meter = models.CharField(max_length=40, blank=True)
    name = models.CharField(max_length=200)
    description = models.CharField(max_length=300, blank=True)
    quantity = models.DecimalField(max_digits=30, decimal_places=6)
    unit = models.CharField(max_length=3, default="C62", help_text="UN/ECE Recommendation 20.")
    unit_price = models.DecimalField(max_digits=20, decimal_places=4)
    base = models.DecimalField(max_digits=20, decimal_places=6, default=Decimal(1))
    net = models.DecimalField(max_digits=20, decimal_places=3)
    category = models.CharField(max_length=2, blank=True, help_text="Of the VAT: S, AE, G.")
    rate = models.DecimalField("VAT rate", max_digits=5, decimal_places=2, default=Decimal(0))
    first_day = models.DateField()
    last_day = models.DateField()
    basis = models.JSONField(default=dict, blank=True)

    objects: ClassVar[models.Manager[InvoiceLine]] = models.Manager()

    class Meta:
        ordering = ("invoice", "position")
        constraints = (
            models.UniqueConstraint(fields=("invoice", "position"), name="one_line_a_position"),
            models.CheckConstraint(
                condition=models.Q(unit_price__gte=0, base__gt=0), name="unit_prices_not_negative"
            ),
        )

    def __str__(self) -> str:
        return self.name
