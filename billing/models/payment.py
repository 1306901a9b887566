"""What was paid of invoices, apart from the invoices, which never change."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import ClassVar

from django.db import models

from billing.models.bank import BankLine
from billing.models.invoice import Invoice


class Settlement(models.Model):
    """How an issued invoice stands: what of it was credited, and what was paid.

    What is open is ``total - credited - paid``, and never negative. Overdue is what is open after
    the invoice's ``due_on``.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        PAID = "paid", "Paid"
        VOID = "void", "Void"

    invoice = models.OneToOneField(
        Invoice, on_delete=models.PROTECT, primary_key=True, related_name="settlement"
    )
    state = models.CharField(max_length=4, choices=State, default=State.OPEN)
    total = models.DecimalField(max_digits=20, decimal_places=3)
    credited = models.DecimalField(max_digits=20, decimal_places=3, default=Decimal(0))
    paid = models.DecimalField(max_digits=20, decimal_places=3, default=Decimal(0))
    changed_at = models.DateTimeField()

    objects: ClassVar[models.Manager[Settlement]] = models.Manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(
                    credited__gte=0,
                    paid__gte=0,
                    total__gte=models.F("credited") + models.F("paid"),
                ),
                name="no_more_is_settled_than_there_is",
            ),
            models.CheckConstraint(
                condition=models.Q(state="open", total__gt=models.F("credited") + models.F("paid"))
                | (
                    ~models.Q(state="open")
                    & models.Q(total=models.F("credited") + models.F("paid"))
                ),
                name="what_is_open_is_not_settled",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_state_display()}: {self.open} of {self.total}"

    @property
    def open(self) -> Decimal:
        """What is still to be paid."""
        return self.total - self.credited - self.paid


class Payment(models.Model):
    """Money that came in for an invoice; negative where it went on to the client's credit, or out
    again: a transfer that was returned or booked wrongly, a card payment given back.

    A trigger refuses changes.
    """

    class Method(models.TextChoices):
        TRANSFER = "transfer", "Bank transfer"
        MANUAL = "manual", "Recorded by hand"
        CREDIT = "credit", "The client's credit"
        STRIPE = "stripe", "Card or online"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="payments")
    method = models.CharField(max_length=8, choices=Method)
    amount = models.DecimalField(max_digits=20, decimal_places=3)
    currency = models.CharField(max_length=3)
    received_on = models.DateField()
    reference = models.CharField(
        max_length=140, blank=True, help_text="The bank's, by which the same is not taken twice."
    )
    line = models.ForeignKey(
        BankLine, on_delete=models.PROTECT, null=True, blank=True, related_name="payments"
    )
    recorded_at = models.DateTimeField()

    objects: ClassVar[models.Manager[Payment]] = models.Manager()

    class Meta:
        ordering = ("-received_on", "-recorded_at")
        constraints = (
            models.UniqueConstraint(
                fields=("method", "reference"),
                condition=~models.Q(reference="") & models.Q(line=None),
                name="one_payment_a_reference",
                violation_error_message="A payment with that reference was recorded already.",
            ),
            models.CheckConstraint(
                condition=models.Q(amount__gt=0)
                | (models.Q(amount__lt=0) & ~models.Q(method="manual")),
                name="payments_come_in",
            ),
        )

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} for {self.invoice_id}"
