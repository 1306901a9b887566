"""Sales invoices for Xero, by its own template SalesInvoiceTemplate.csv.

https://central.xero.com/s/article/Import-or-create-invoices-using-a-CSV-file: the head line stays
as it is, days are DD/MM/YYYY, the lines of one invoice repeat its number, and a file holds 500
invoices and 1,000 rows at the most. Prices are without tax, which is said at the import; Xero
computes the tax itself, by the name of its rate. A document with a negative total becomes a credit
note there.
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

MOST_DOCUMENTS = 500
MOST_ROWS = 1_000
COLUMNS = (
    "*ContactName",
    "EmailAddress",
    "POAddressLine1",
    "POAddressLine2",
    "POAddressLine3",
    "POAddressLine4",
    "POCity",
    "PORegion",
    "POPostalCode",
    "POCountry",
    "*InvoiceNumber",
    "Reference",
    "*InvoiceDate",
    "*DueDate",
    "InventoryItemCode",
    "*Description",
    "*Quantity",
    "*UnitAmount",
    "Discount",
    "*AccountCode",
    "*TaxType",
    "TrackingName1",
    "TrackingOption1",
    "TrackingName2",
    "TrackingOption2",
    "Currency",
    "BrandingTheme",
)

# Which cells are needed, and how days and numbers are written: the same article, and the guide of
# one of Xero's partners, https://online.flippingbook.com/view/399081/31/
FORM = Form(
    name="Xero",
    columns=COLUMNS,
    document="*InvoiceNumber",
    needed=(
        *(column for column in COLUMNS if column.startswith("*")),
        "Currency",  # without it Xero takes its own
    ),
    patterns={
        "*InvoiceDate": BRITISH_DAY,
        "*DueDate": BRITISH_DAY,
        "*Quantity": re.compile(r"-?\d+(\.\d{1,4})?"),
        "*UnitAmount": re.compile(r"-?\d+(\.\d{1,4})?"),
        "Currency": CURRENCY,
    },
    same=("*ContactName", "Reference", "*InvoiceDate", "*DueDate", "Currency"),
    documents_at_most=MOST_DOCUMENTS,
    rows_at_most=MOST_ROWS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """How the seller's books in Xero call things."""

    account: str  # of revenue, such as 200
    tax_types: Mapping[Vat, str]  # the names of its tax rates, such as 20% (VAT on Income)


def files(documents: Iterable[Document], books: Books) -> Iterator[bytes]:
    """As many files as Xero needs, each read again before it leaves.

    Raises ``Faulty`` where a VAT has no tax rate there, ``Unfit`` where a file does not fit.
    """
    parted = parts.of(documents, documents_at_most=MOST_DOCUMENTS, rows_at_most=MOST_ROWS)
    for part in parted:
        rows = (row for document in part for row in _rows(document, books))
        yield refuse_unfit(b"".join(csv_file.written(COLUMNS, rows)), FORM)


def _rows(document: Document, books: Books) -> Iterator[Row]:
    for line in flat(document):
        tax_type = books.tax_types.get(line.vat)
        if tax_type is None:
            raise Faulty(
                document.number,
                [f"Xero's tax rate for VAT {line.vat} is not known."],
            )
        yield _row(document, line, books.account, tax_type)


def _row(document: Document, line: FlatLine, account: str, tax_type: str) -> Row:
    buyer, address = document.buyer, document.buyer.address
    sign = -1 if document.kind is Kind.CREDIT_NOTE else 1
    return (
        buyer.name,
        buyer.email,
        address.street,
        address.more,
        *("", ""),
        address.city,
        address.region,
        address.postcode,
        address.country,
        document.number,
        document.preceding.number if document.preceding else document.buyer_reference,
        _day(document.issue_date),
        _day(document.due_date or document.issue_date),
        "",
        line.description,
        line.quantity,
        sign * line.price,
        "",
        account,
        tax_type,
        *("", "", "", ""),
        document.currency,
        "",
    )


def _day(day: date) -> str:
    return f"{day:%d/%m/%Y}"
