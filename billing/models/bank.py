"""What the bank says: statements that were imported, and their lines, each once."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import ClassVar

from django.db import models

from billing import currencies
from tenants.models import Client


class BankStatement(models.Model):
    """A file that was imported. It is not kept; its lines are."""

    class Format(models.TextChoices):
        CAMT = "camt", "CAMT.053"
        CSV = "csv", "CSV"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField("file", max_length=200)
    format = models.CharField(max_length=4, choices=Format)
    sha256 = models.CharField(max_length=64)
    imported_at = models.DateTimeField()
    lines_in_it = models.PositiveIntegerField(help_text="Those that were known already included.")
    new_lines = models.PositiveIntegerField()
    layout = models.JSONField(default=dict, blank=True)

    objects: ClassVar[models.Manager[BankStatement]] = models.Manager()

    class Meta:
        ordering = ("-imported_at",)

    def __str__(self) -> str:
        return self.name


class BankLine(models.Model):
    """Money that came in (positive) or went out, as the bank booked it, and what became of it.

    A line is dealt with as a whole: booked on invoices and a client's credit, or set aside with a
    reason. ``key`` tells it apart on its account, whichever file it comes from.
    """

    class State(models.TextChoices):
        OPEN = "open", "To be matched"
        BOOKED = "booked", "Booked"
        ASIDE = "aside", "Set aside"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    statement = models.ForeignKey(BankStatement, on_delete=models.PROTECT, related_name="lines")
    account = models.CharField(max_length=34)
    key = models.CharField(max_length=64, editable=False)
    position = models.PositiveIntegerField()
    booked_on = models.DateField()
    amount = models.DecimalField(max_digits=20, decimal_places=3)
    currency = models.CharField(max_length=3)
    name = models.CharField(max_length=140, blank=True)
    iban = models.CharField("IBAN", max_length=34, blank=True)
    text = models.CharField(max_length=1000, blank=True)
    creditor_reference = models.CharField(max_length=35, blank=True)
    end_to_end = models.CharField(max_length=35, blank=True)
    bank_reference = models.CharField(max_length=60, blank=True)
    charges = models.DecimalField(max_digits=20, decimal_places=3, default=Decimal(0))
    is_return = models.BooleanField(default=False)
    state = models.CharField(max_length=6, choices=State, default=State.OPEN)
    reason = models.CharField(max_length=200, blank=True)
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    returns = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="returned_by"
    )

    objects: ClassVar[models.Manager[BankLine]] = models.Manager()

    class Meta:
        ordering = ("-booked_on", "statement", "position")
        constraints = (
            models.UniqueConstraint(fields=("account", "key"), name="one_bank_line_a_key"),
            models.CheckConstraint(
                condition=models.Q(state="open", reason="", client=None, returns=None)
                | (models.Q(state="aside", client=None, returns=None) & ~models.Q(reason=""))
                | models.Q(state="booked", reason="", client__isnull=False),
                name="bank_lines_are_open_booked_or_aside",
            ),
        )
        indexes = (
            models.Index(fields=("iban",), name="bank_line_by_iban"),
            models.Index(
                fields=("booked_on",),
                condition=models.Q(state="open"),
                name="bank_line_to_be_matched",
            ),
        )

    def __str__(self) -> str:
        return f"{currencies.said(self.amount, self.currency)} on {self.booked_on}"
