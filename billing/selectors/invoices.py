"""A client's issued invoices and credit notes, with how they stand. Drafts are nobody's yet."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Prefetch, QuerySet, Sum

from billing.models import CreditEntry, Invoice, InvoiceFile, InvoiceLine, Settlement
from tenants.models import Client


def of_client(client: Client) -> QuerySet[Invoice]:
    """The newest first, with settlement, what it corrects, and files without their content."""
    files = InvoiceFile.objects.defer("content").order_by("-kind")
    issued = Invoice.objects.filter(client=client, state=Invoice.State.ISSUED)
    return (
        issued.select_related("settlement", "corrects")
        .prefetch_related(Prefetch("files", queryset=files))
        .order_by("-issued_at", "-sequence")
    )


def get(client: Client, number: str) -> Invoice:
    """The client's invoice of that number. Raises ``Invoice.DoesNotExist`` for anybody else's."""
    series, _, digits = number.rpartition("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise Invoice.DoesNotExist
    found = of_client(client).get(series=series, sequence=int(digits))
    if found.number != number:  # it is written in one way
        raise Invoice.DoesNotExist
    return found


OPENED = (InvoiceLine.Kind.USAGE, InvoiceLine.Kind.ADJUSTMENT, InvoiceLine.Kind.DOWNTIME)
"""The kinds of lines that can be opened down to what they were computed from."""


def opened_line(invoice: Invoice, position: int) -> InvoiceLine:
    """The invoice's line at that place that can be opened. Raises ``InvoiceLine.DoesNotExist``.

    What a credit note takes back stands, with its origin, on the invoice that it corrects.
    """
    lines = invoice.lines.select_related(
        "invoice", "subscription__instance__plan", "subscription__client"
    )
    return lines.get(
        position=position,
        kind__in=OPENED,
        subscription__isnull=False,
        invoice__kind=Invoice.Kind.INVOICE,
    )


def open_amounts(client: Client) -> list[tuple[str, Decimal]]:
    """What is to be paid, by currency."""
    rows = Settlement.objects.filter(invoice__client=client, state=Settlement.State.OPEN)
    sums = rows.values_list("invoice__currency").annotate(
        Sum("total"), Sum("paid"), Sum("credited")
    )
    return [
        (currency, total - paid - credited)
        for currency, total, paid, credited in sums.order_by("invoice__currency")
    ]


def credit(client: Client) -> list[tuple[str, Decimal]]:
    """The client's credit, by currency; what is used up is left out."""
    rows = CreditEntry.objects.filter(client=client).values_list("currency")
    sums = rows.annotate(Sum("amount")).order_by("currency")
    return [(currency, amount) for currency, amount in sums if amount]


def credit_entries(client: Client) -> QuerySet[CreditEntry]:
    """The movements of the client's credit with their invoices, the newest first."""
    return CreditEntry.objects.filter(client=client).select_related("invoice")
