"""What came of an invoice, on its page in the admin: payments, credit notes, reminders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.contrib import admin
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from billing import currencies
from billing.currencies import said
from billing.models import DunningStep, Invoice, Settlement
from hosting.admin.building.tables import link
from tenants.display import badge, moment

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Invoice]
else:
    _Admin = object


class WithMoney(_Admin):
    """Facts of an issued invoice, each with what can be done next."""

    @admin.display(description="Period")
    def period(self, invoice: Invoice) -> str:
        """Its days, both included."""
        return f"{date_format(invoice.first_day)} to {date_format(invoice.last_day)}"

    @admin.display(description="Payments")
    def payments_(self, invoice: Invoice) -> SafeString:
        """What came in and went out, and a way to record more while something is open."""
        rows = [
            f"{date_format(each.received_on)}: {said(each.amount, each.currency)},"
            f" {each.get_method_display().lower()}"
            + (f" ({each.reference})" if each.reference else "")
            for each in invoice.payments.order_by("received_on", "recorded_at")
        ]
        return _lines(rows, "Nothing came in yet.", _to_pay(invoice))

    @admin.display(description="Credit notes")
    def notes_(self, invoice: Invoice) -> SafeString:
        """Each with its reason, and a way to make one while something is left."""
        rows = [
            format_html(
                "{}: {}, {}",
                link(each.number, "billing_invoice_change", each.pk),
                said(each.total, each.currency),
                each.reason,
            )
            for each in invoice.credit_notes.filter(state=Invoice.State.ISSUED)
        ]
        return _lines(rows, "None.", _to_credit(invoice))

    @admin.display(description="Dunning")
    def dunning_(self, invoice: Invoice) -> SafeString:
        """What was done since it was overdue, and whether it was told."""
        rows = [
            format_html("{} {}, {}", step.get_kind_display(), moment(step.done_at), _told(step))
            for step in invoice.dunning_steps.order_by("done_at")
        ]
        return _lines(rows, "Nothing was to be done.", "")


def _lines(rows: Iterable[SafeString | str], none: str, way: SafeString | str) -> SafeString:
    shown = [*rows] or [none]
    lines = [*shown, way] if way else shown
    return format_html_join("", "<p>{}</p>", ((each,) for each in lines))


def _told(step: DunningStep) -> SafeString | str:
    if step.mailed_at is not None:
        return "mailed"
    return badge("To be mailed", "busy") if step.send_at else badge("Not mailed", "warn")


def _to_pay(invoice: Invoice) -> SafeString | str:
    settlement: Settlement | None = getattr(invoice, "settlement", None)
    if settlement is None or not settlement.open:
        return ""
    asked = {
        "invoice": invoice.pk,
        "amount": currencies.rounded(settlement.open, currencies.exponent(invoice.currency)),
        "currency": invoice.currency,
        "received_on": timezone.now().date(),
    }
    return _way("Record a payment", "billing_payment_add", asked)


def _to_credit(invoice: Invoice) -> SafeString | str:
    settlement: Settlement | None = getattr(invoice, "settlement", None)
    if settlement is None or settlement.credited >= settlement.total:
        return ""
    return _way("Credit it", "billing_invoice_add", {"corrects": invoice.pk})


def _way(text: str, page: str, asked: dict[str, object]) -> SafeString:
    address = f"{reverse(f'admin:{page}')}?{urlencode(asked)}"
    return format_html('<a class="b-link" href="{}">{}</a>', address, text)
