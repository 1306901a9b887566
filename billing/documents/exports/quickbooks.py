"""Invoices for QuickBooks Online, by the columns of its sample file.

https://quickbooks.intuit.com/learn-support/en-us/help-article/import-export-data-files/import-multiple-invoices/L6zdYQfqf_US_en_US:
columns with these names are mapped by themselves; number, customer, both days and the amount are
needed; a file holds 100 invoices and 1,000 rows at the most; neither credit notes nor negative
amounts are imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from billing.documents.errors import Faulty
from billing.documents.exports import csv_file, parts
from billing.documents.exports.cells import Row
from billing.documents.exports.forms import BRITISH_DAY, CURRENCY, Form, refuse_unfit
from billing.documents.exports.lines import FlatLine, flat
from billing.documents.invoice import Document, Kind, Vat

MOST_DOCUMENTS = 100
MOST_ROWS = 1_000
COLUMNS = (
    "*InvoiceNo",
    "*Customer",
    "*InvoiceDate",
    "*DueDate",
    "Terms",
    "Location",
    "Memo",
    "Item(Product/Service)",
    "ItemDescription",
    "ItemQuantity",
    "ItemRate",
    "*ItemAmount",
    "*ItemTaxCode",
    "ItemTaxAmount",
    "Currency",
    "Service Date",
)

_POSITIVE = re.compile(r"\d+(\.\d{1,4})?")
# What is needed: the same article. A number has 21 signs at the most, by the description of an
# importer, https://support.zed-systems.com/kb/a197/import-invoices-into-quickbooks-online.aspx
FORM = Form(
    name="QuickBooks Online",
    columns=COLUMNS,
    document="*InvoiceNo",
    needed=(
        *(column for column in COLUMNS if column.startswith("*")),
        "Item(Product/Service)",
    ),
    patterns={
        "*InvoiceNo": re.compile(r"[^=+\-@\s].{0,20}"),
        "*InvoiceDate": BRITISH_DAY,
        "*DueDate": BRITISH_DAY,
        "Service Date": BRITISH_DAY,
        "ItemQuantity": _POSITIVE,
        "ItemRate": _POSITIVE,
        "*ItemAmount": _POSITIVE,
        "ItemTaxAmount": _POSITIVE,
        "Currency": CURRENCY,
    },
    same=("*Customer", "*InvoiceDate", "*DueDate", "Terms", "Memo", "Currency"),
    documents_at_most=MOST_DOCUMENTS,
    rows_at_most=MOST_ROWS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """How the seller's books in QuickBooks call things."""

    item: str  # the product or service that lines are booked on
    tax_codes: Mapping[Vat, str]  # such as 20.0% S


def files(documents: Iterable[Document], books: Books) -> Iterator[bytes]:
    """As many files as QuickBooks needs, each read again before it leaves.

    Raises ``Unfit`` where a file does not fit, and ``Faulty`` for what QuickBooks would not import:
    a credit note, an amount below zero, a VAT without a tax code.
    """
    parted = parts.of(documents, documents_at_most=MOST_DOCUMENTS, rows_at_most=MOST_ROWS)
    for part in parted:
        rows = (row for document in part for row in _rows(document, books))
        yield refuse_unfit(b"".join(csv_file.written(COLUMNS, rows)), FORM)


def _rows(document: Document, books: Books) -> Iterator[Row]:
    if document.kind is Kind.CREDIT_NOTE:
        raise Faulty(
            document.number,
            ["QuickBooks imports no credit notes from files; leave it out and enter it by hand."],
        )
    for line in flat(document):
        code = books.tax_codes.get(line.vat)
        if code is None:
            raise Faulty(
                document.number, [f"QuickBooks' tax code for VAT {line.vat} is not known."]
            )
        if line.amount < 0:
            raise Faulty(
                document.number,
                [
                    f"QuickBooks imports no amounts below zero, and “{line.name}” is "
                    f"{line.amount}; leave the invoice out and enter it by hand."
                ],
            )
        yield _row(document, line, books.item, code)


def _row(document: Document, line: FlatLine, item: str, code: str) -> Row:
    return (
        document.number,
        document.buyer.name,
        _day(document.issue_date),
        _day(document.due_date or document.issue_date),
        document.payment.terms if document.payment else "",
        "",
        document.buyer_reference,
        item,
        line.description,
        line.quantity,
        line.price,
        line.amount,
        code,
        line.tax,
        document.currency,
        _day(document.delivery_date),
    )


def _day(day: date) -> str:
    return f"{day:%d/%m/%Y}"
