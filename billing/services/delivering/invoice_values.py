"""An issued invoice as the plain values that its documents and exports are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from billing import currencies
from billing.documents.invoice import (
    Address,
    Document,
    Kind,
    Line,
    Party,
    Payment,
    PaymentMeans,
    Period,
    Preceding,
    Totals,
    Vat,
    VatCategory,
    VatTotal,
)
from billing.documents.numbers import rounded
from billing.models import Invoice, InvoiceLine
from billing.models import Payment as Received


def documents(invoices: QuerySet[Invoice]) -> Iterator[Document]:
    """Those of many issued invoices, in their order, some hundreds read at a time."""
    whole = invoices.select_related("corrects").prefetch_related("lines", "payments")
    for invoice in whole.iterator(chunk_size=500):
        yield document(invoice)


def document(invoice: Invoice) -> Document:
    """All that stands on it, from its own rows alone: who it is from is what it was at the issue.

    Raises:
        ValueError: it has not been issued.
    """
    issued_on = invoice.issued_on
    if issued_on is None:
        raise ValueError("A draft is no document.")
    lines = tuple(sorted(invoice.lines.all(), key=lambda line: line.position))
    exponent = currencies.exponent(invoice.currency)
    first_day = min((line.first_day for line in lines), default=invoice.first_day)
    last_day = max((line.last_day for line in lines), default=invoice.last_day)
    return Document(
        kind=Kind(invoice.kind),
        number=invoice.number,
        issue_date=issued_on,
        delivery_date=last_day,
        due_date=invoice.due_on,
        currency=invoice.currency,
        exponent=exponent,
        seller=_party(invoice.seller),
        buyer=_party(invoice.buyer, number=invoice.buyer["client"]),
        lines=tuple(_line(line, exponent) for line in lines),
        vat=tuple(_vat_total(each, exponent) for each in invoice.tax["totals"]),
        totals=_totals(invoice, lines, exponent),
        buyer_reference=invoice.buyer.get("reference") or invoice.buyer["client"],
        period=Period(first_day=first_day, last_day=last_day),
        payment=_payment(invoice),
        preceding=_preceding(invoice),
        notes=(invoice.reason,) if invoice.reason else (),
    )


def _party(of: Mapping[str, Any], number: str = "") -> Party:
    address = ("street", "more", "postcode", "city", "country")
    own = ("name", "vat_number", "email", "tax_number", "registration", "contact", "phone")
    return Party(
        address=Address(**{name: of.get(name, "") for name in address}),
        number=number,
        **{name: of.get(name, "") for name in own},
    )


def _line(line: InvoiceLine, exponent: int) -> Line:
    return Line(
        number=str(line.position),
        name=line.name,
        description=line.description,
        quantity=line.quantity,
        unit=line.unit,
        price=line.unit_price,
        base_quantity=line.base,
        net=rounded(line.net, exponent),
        vat=Vat(category=VatCategory(line.category), rate=line.rate),
        period=Period(first_day=line.first_day, last_day=line.last_day),
    )


def _vat_total(of: Mapping[str, str], exponent: int) -> VatTotal:
    return VatTotal(
        vat=Vat(category=VatCategory(of["category"]), rate=Decimal(of["rate"])),
        basis=rounded(Decimal(of["basis"]), exponent),
        amount=rounded(Decimal(of["amount"]), exponent),
        reason=of.get("reason", ""),
        reason_code=of.get("reason_code", ""),
    )


def _totals(invoice: Invoice, lines: tuple[InvoiceLine, ...], exponent: int) -> Totals:
    credit = _credit_at_the_issue(invoice)
    return Totals(
        lines=rounded(sum((line.net for line in lines), Decimal(0)), exponent),
        net=rounded(invoice.net, exponent),
        vat=rounded(invoice.vat, exponent),
        gross=rounded(invoice.total, exponent),
        prepaid=rounded(credit, exponent),
        due=rounded(invoice.total - credit, exponent),
    )


def _credit_at_the_issue(invoice: Invoice) -> Decimal:
    """What the client's credit paid of it as it was issued; what is paid later changes nothing."""
    paid = (
        each.amount
        for each in invoice.payments.all()
        if each.method == Received.Method.CREDIT and each.recorded_at == invoice.issued_at
    )
    return sum(paid, Decimal(0))


def _payment(invoice: Invoice) -> Payment:
    seller = invoice.seller
    is_invoice = invoice.kind == Invoice.Kind.INVOICE
    days = seller.get("payment_days")
    return Payment(
        means=PaymentMeans.SEPA_TRANSFER if invoice.currency == "EUR" else PaymentMeans.TRANSFER,
        iban=seller.get("iban", ""),
        bic=seller.get("bic", ""),
        account_name=seller.get("name", ""),
        reference=invoice.number,
        terms=f"Payable within {days} days without deduction."
        if is_invoice and days
        else "Credited to your account."
        if not is_invoice
        else "Payable on receipt.",
    )


def _preceding(invoice: Invoice) -> Preceding | None:
    corrected = invoice.corrects
    if corrected is None or corrected.issued_on is None:
        return None
    return Preceding(number=corrected.number, issue_date=corrected.issued_on)
