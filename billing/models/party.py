"""Who sends invoices, and who gets them."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from billing.models.price import Interval
from billing.models.rate import CURRENCY
from tenants.models import Client
from tenants.models.client import validate_time_zone

COUNTRY = RegexValidator(r"^[A-Z]{2}\Z", "A country is two capital letters, such as DE.")
SERIES = RegexValidator(r"^[A-Z][A-Z0-9-]{0,9}\Z", "Use 1 to 10 capital letters and digits.")


class Address(models.Model):
    """A name and a postal address."""

    name = models.CharField(max_length=120, help_text="As it stands on invoices.")
    street = models.CharField(max_length=120)
    more = models.CharField("second line", max_length=120, blank=True)
    postcode = models.CharField(max_length=20)
    city = models.CharField(max_length=80)
    country = models.CharField(max_length=2, validators=[COUNTRY])
    vat_number = models.CharField("VAT number", max_length=20, blank=True)
    email = models.EmailField(blank=True)

    class Meta:
        abstract = True


class Seller(Address):
    """The hosting company, one row, and by which rules it bills. Without it nothing is billed."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    tax_number = models.CharField(max_length=40, blank=True, help_text="At its tax office.")
    registration = models.CharField(
        max_length=80, blank=True, help_text="In the register of companies."
    )
    contact = models.CharField(max_length=80, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    iban = models.CharField("IBAN", max_length=34)
    bic = models.CharField("BIC", max_length=11, blank=True)
    bills_from = models.DateField(help_text="Nothing before that day is charged.")
    payment_days = models.PositiveSmallIntegerField(
        default=14, validators=[MaxValueValidator(365)], help_text="Invoices are due after so many."
    )
    timezone = models.CharField(
        "time zone",
        max_length=64,
        default="UTC",
        validators=[validate_time_zone],
        help_text="Whose clock cuts the months of reports.",
    )
    grace_hours = models.PositiveSmallIntegerField(
        default=24,
        validators=[MaxValueValidator(240)],
        help_text="How long a draft waits for usage that is reported late.",
    )
    charges_suspended = models.BooleanField(
        "charge what is suspended", default=False, help_text="Days of suspension cost as others do."
    )
    bears_model_costs = models.BooleanField(
        "bears what language models cost",
        default=False,
        help_text="Whether the providers send their bills to the company: margins then have them.",
    )
    mails_e_invoices = models.BooleanField(
        "mail e-invoices too",
        default=False,
        help_text="The XML besides the PDF, which has the same within it.",
    )
    invoice_series = models.CharField(max_length=10, default="INV", validators=[SERIES])
    credit_series = models.CharField(max_length=10, default="CN", validators=[SERIES])

    objects: ClassVar[models.Manager[Seller]] = models.Manager()

    class Meta:
        verbose_name_plural = "seller"
        constraints = (
            models.CheckConstraint(condition=models.Q(id=1), name="one_seller"),
            models.CheckConstraint(
                condition=~models.Q(invoice_series=models.F("credit_series")),
                name="credit_notes_have_their_own_series",
                violation_error_message="Credit notes have a series of their own.",
            ),
        )

    def __str__(self) -> str:
        return self.name


class BillingProfile(Address):
    """Where a client's invoices go, in which currency, and how its VAT number was confirmed."""

    class Anchor(models.TextChoices):
        CALENDAR = "calendar", "By the calendar"
        ANNIVERSARY = "anniversary", "From the day it first ran"

    class VatState(models.TextChoices):
        NONE = "none", "No number"
        PENDING = "pending", "Not confirmed yet"
        VALID = "valid", "Confirmed"
        INVALID = "invalid", "Not valid"
        UNCHECKED = "unchecked", "Of no EU country"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.OneToOneField(Client, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3, default="EUR", validators=[CURRENCY])
    interval = models.CharField(
        max_length=7,
        choices=Interval,
        default=Interval.MONTH,
        help_text="Of instances that first run from now on.",
    )
    anchor = models.CharField(
        "periods are counted", max_length=11, choices=Anchor, default=Anchor.CALENDAR
    )
    reference = models.CharField(
        "buyer's reference", max_length=80, blank=True, help_text="What the client finds it by."
    )
    vat_state = models.CharField(
        "VAT number is", max_length=9, choices=VatState, default=VatState.NONE, editable=False
    )
    vat_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    vat_evidence = models.JSONField(default=dict, blank=True, editable=False)

    objects: ClassVar[models.Manager[BillingProfile]] = models.Manager()

    class Meta:
        ordering = ("client",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(vat_number="", vat_state="none")
                | (~models.Q(vat_number="") & ~models.Q(vat_state="none")),
                name="vat_numbers_have_a_state",
            ),
        )

    def __str__(self) -> str:
        return f"billing details of {self.client}"


class NumberSeries(models.Model):
    """The last number that was given out of a series; locked by whoever takes the next."""

    name = models.CharField(max_length=10, primary_key=True, validators=[SERIES])
    last = models.PositiveBigIntegerField(default=0, validators=[MinValueValidator(0)])

    objects: ClassVar[models.Manager[NumberSeries]] = models.Manager()

    def __str__(self) -> str:
        return self.name
