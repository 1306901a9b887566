"""Invoices, their lines and their VAT as tables.

What a credit note gives back is negative, so that sums of columns hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from billing.documents.exports.cells import Row
from billing.documents.invoice import Document, Kind
from billing.documents.numbers import rounded, tidy

DOCUMENTS: tuple[str, ...] = (
    "Number",
    "Kind",
    "Issued on",
    "Due on",
    "Delivered on",
    "Period from",
    "Period to",
    "Client number",
    "Client",
    "Country",
    "VAT number",
    "Currency",
    "Net",
    "VAT",
    "Total",
    "Prepaid",
    "Due",
    "Takes back",
)
LINES: tuple[str, ...] = (
    "Number",
    "Line",
    "Name",
    "Description",
    "From",
    "To",
    "Quantity",
    "Unit",
    "Price",
    "Price is for",
    "Currency",
    "Net",
    "VAT category",
    "VAT rate",
)
VAT: tuple[str, ...] = (
    "Number",
    "VAT category",
    "VAT rate",
    "Currency",
    "Basis",
    "VAT",
    "Reason",
)


def document_row(document: Document) -> Row:
    """One row an invoice or credit note."""
    totals, period, buyer = document.totals, document.period, document.buyer
    return (
        document.number,
        document.kind.value.replace("_", " "),
        document.issue_date,
        document.due_date,
        document.delivery_date,
        period.first_day if period else None,
        period.last_day if period else None,
        buyer.number,
        buyer.name,
        buyer.address.country,
        buyer.vat_number,
        document.currency,
        *(
            _amount(document, amount)
            for amount in (totals.net, totals.vat, totals.gross, totals.prepaid, totals.due)
        ),
        document.preceding.number if document.preceding else "",
    )


def line_rows(document: Document) -> Iterator[Row]:
    """One row a line."""
    for line in document.lines:
        yield (
            document.number,
            line.number,
            line.name,
            line.description,
            line.period.first_day if line.period else None,
            line.period.last_day if line.period else None,
            tidy(_sign(document) * line.quantity),
            line.unit,
            tidy(line.price, document.exponent),
            tidy(line.base_quantity),
            document.currency,
            _amount(document, line.net),
            line.vat.category.value,
            tidy(line.vat.rate),
        )


def vat_rows(document: Document) -> Iterator[Row]:
    """One row a category and rate."""
    for total in document.vat:
        yield (
            document.number,
            total.vat.category.value,
            tidy(total.vat.rate),
            document.currency,
            _amount(document, total.basis),
            _amount(document, total.amount),
            total.reason,
        )


def _amount(document: Document, amount: Decimal) -> Decimal:
    """With its sign and the currency's decimals; nothing is 0.00, never -0.00."""
    return rounded(_sign(document) * amount, document.exponent)


def _sign(document: Document) -> int:
    return -1 if document.kind is Kind.CREDIT_NOTE else 1
