"""How the seller's books call things, in DATEV, Xero and QuickBooks."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from tenants.models import Client

ACCOUNT = RegexValidator(r"^[1-9][0-9]{0,8}\Z", "An account is up to nine digits.")
CHART = RegexValidator(r"^[0-9]{2}\Z", "A chart of accounts is two digits, such as 03 or 04.")
TAX_KEY = RegexValidator(r"^[0-9]{1,4}\Z", "A tax key is up to four digits.")


class Bookkeeping(models.Model):
    """One row. What is empty is not exported to: DATEV's part, Xero's, QuickBooks'.

    The numbers' ranges are those of DATEV's header:
    https://developer.datev.de/datev/platform/de/dtvf/formate/header
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    consultant = models.PositiveIntegerField(
        "consultant's number",
        null=True,
        blank=True,
        validators=[MinValueValidator(1001), MaxValueValidator(9_999_999)],
        help_text="Beraternummer, 1001 to 9999999.",
    )
    client = models.PositiveIntegerField(
        "client's number",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(99_999)],
        help_text="Mandantennummer, 1 to 99999.",
    )
    year_begins = models.PositiveSmallIntegerField(
        "business year begins in month",
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(12)],
        help_text="1 is January.",
    )
    account_digits = models.PositiveSmallIntegerField(
        "digits of accounts",
        default=4,
        validators=[MinValueValidator(4), MaxValueValidator(8)],
        help_text="Sachkontenlänge. Clients' accounts have one more.",
    )
    chart = models.CharField("chart of accounts", max_length=2, default="03", validators=[CHART])
    debtor = models.CharField(
        "account of clients",
        max_length=9,
        blank=True,
        validators=[ACCOUNT],
        help_text="Of all that have none of their own, such as 10000.",
    )
    xero_account = models.CharField(
        "Xero's account of revenue", max_length=10, blank=True, help_text="Its code, such as 200."
    )
    quickbooks_item = models.CharField(
        "QuickBooks' product or service",
        max_length=100,
        blank=True,
        help_text="That lines are booked on, such as Hosting.",
    )

    objects: ClassVar[models.Manager[Bookkeeping]] = models.Manager()

    class Meta:
        verbose_name_plural = "bookkeeping"
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="one_bookkeeping"),)

    def __str__(self) -> str:
        return "bookkeeping"


class VatAccount(models.Model):
    """What revenue of one VAT is booked on, and what its tax is called."""

    class Category(models.TextChoices):
        STANDARD = "S", "S: VAT is charged"
        REVERSE_CHARGE = "AE", "AE: the buyer owes it"
        EXPORT = "G", "G: outside the EU"
        INTRA_COMMUNITY = "K", "K: intra-community supply"
        ZERO = "Z", "Z: zero rate"
        EXEMPT = "E", "E: exempt"
        OUTSIDE = "O", "O: outside the scope"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    category = models.CharField(max_length=2, choices=Category)
    rate = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        default=Decimal(0),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(100))],
        help_text="Per cent; 0 where none is charged.",
    )
    account = models.CharField(
        "DATEV's account of revenue",
        max_length=9,
        blank=True,
        validators=[ACCOUNT],
        help_text="Such as 8400.",
    )
    tax_key = models.CharField(
        "DATEV's tax key",
        max_length=4,
        blank=True,
        validators=[TAX_KEY],
        help_text="BU-Schlüssel; empty where the account knows its tax itself.",
    )
    xero_tax_type = models.CharField(
        "Xero's tax rate",
        max_length=100,
        blank=True,
        help_text="Its name as Xero shows it, such as 20% (VAT on Income).",
    )
    quickbooks_tax_code = models.CharField(
        "QuickBooks' tax code", max_length=100, blank=True, help_text="Such as 20.0% S."
    )

    objects: ClassVar[models.Manager[VatAccount]] = models.Manager()

    class Meta:
        ordering = ("category", "-rate")
        verbose_name = "VAT account"
        constraints = (
            models.UniqueConstraint(
                fields=("category", "rate"),
                name="one_account_a_vat",
                violation_error_message="There is one for this category and rate already.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.category} {self.rate.normalize():f} %"


class DebtorAccount(models.Model):
    """A client's own account in DATEV."""

    client = models.OneToOneField(
        Client, on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    account = models.CharField(
        max_length=9,
        unique=True,
        validators=[ACCOUNT],
        error_messages={"unique": "Another client has that account."},
    )

    objects: ClassVar[models.Manager[DebtorAccount]] = models.Manager()

    class Meta:
        ordering = ("account",)

    def __str__(self) -> str:
        return f"{self.account} of {self.client}"
