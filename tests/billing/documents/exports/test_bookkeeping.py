"""Xero's and QuickBooks' files: their columns, and lines whose quantity x price is their amount."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.documents.errors import Faulty
from billing.documents.exports import lines, parts, quickbooks, xero
from billing.documents.invoice import Document
from tests.billing.documents import samples

XERO = xero.Books(
    account="200",
    tax_types={samples.STANDARD: "19% (VAT on Income)", samples.REVERSE: "Zero Rated EC Services"},
)
QUICKBOOKS = quickbooks.Books(
    item="Hosting", tax_codes={samples.STANDARD: "19.0% S", samples.REVERSE: "0.0% ECS"}
)


def _rows(files: Iterable[bytes]) -> list[dict[str, str]]:
    (file,) = files
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))


def test_xero_has_the_head_line_of_its_template() -> None:
    (file,) = xero.files([samples.document()], XERO)

    assert file.decode("utf-8-sig").split("\r\n")[0] == (
        "*ContactName,EmailAddress,POAddressLine1,POAddressLine2,POAddressLine3,POAddressLine4,"
        "POCity,PORegion,POPostalCode,POCountry,*InvoiceNumber,Reference,*InvoiceDate,*DueDate,"
        "InventoryItemCode,*Description,*Quantity,*UnitAmount,Discount,*AccountCode,*TaxType,"
        "TrackingName1,TrackingOption1,TrackingName2,TrackingOption2,Currency,BrandingTheme"
    )


def test_xero_has_a_row_for_each_line() -> None:
    rows = _rows(xero.files([samples.document()], XERO))

    assert len(rows) == 4
    assert {name: cell for name, cell in rows[3].items() if cell} == {
        "*ContactName": "Acme Logistics GmbH",
        "EmailAddress": "invoices@acme.example",
        "POAddressLine1": "Lindenallee 4",
        "POCity": "Berlin",
        "POPostalCode": "10115",
        "POCountry": "DE",
        "*InvoiceNumber": "R-2026-0042",
        "Reference": "PO-7781",
        "*InvoiceDate": "01/04/2026",
        "*DueDate": "15/04/2026",
        "*Description": "gpt-4o, input tokens (1234567 at 2.50 for 1000000)",
        "*Quantity": "1",
        "*UnitAmount": "2.78",
        "*AccountCode": "200",
        "*TaxType": "19% (VAT on Income)",
        "Currency": "EUR",
    }


def test_a_credit_note_is_negative_in_xero() -> None:
    (row,) = _rows(xero.files([samples.credit_note()], XERO))

    assert (row["*Quantity"], row["*UnitAmount"], row["Reference"]) == ("1", "-8.70", "R-2026-0042")


@pytest.mark.parametrize("name", ["month", "discounted", "reverse-charge", "credit-note"])
def test_xero_s_rows_are_the_document_s_net(name: str) -> None:
    document = samples.GOLDEN[name]
    rows = _rows(xero.files([document], XERO))
    sign = -1 if name == "credit-note" else 1

    net = sum(Decimal(row["*Quantity"]) * Decimal(row["*UnitAmount"]) for row in rows)
    assert net == sign * document.totals.net


def test_quickbooks_has_the_columns_of_its_sample() -> None:
    (file,) = quickbooks.files([samples.document()], QUICKBOOKS)

    assert file.decode("utf-8-sig").split("\r\n")[0] == (
        "*InvoiceNo,*Customer,*InvoiceDate,*DueDate,Terms,Location,Memo,Item(Product/Service),"
        "ItemDescription,ItemQuantity,ItemRate,*ItemAmount,*ItemTaxCode,ItemTaxAmount,Currency,"
        "Service Date"
    )


def test_quickbooks_rows_are_the_document_to_the_cent() -> None:
    document = samples.document()
    rows = _rows(quickbooks.files([document], QUICKBOOKS))

    assert sum(Decimal(row["*ItemAmount"]) for row in rows) == document.totals.net
    assert sum(Decimal(row["ItemTaxAmount"]) for row in rows) == document.totals.vat
    for row in rows:
        made = Decimal(row["ItemQuantity"]) * Decimal(row["ItemRate"])
        assert made == Decimal(row["*ItemAmount"])


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (samples.credit_note(), "QuickBooks imports no credit notes from files"),
        (
            samples.discounted(),
            "QuickBooks imports no amounts below zero, and “Spring 2026” is -10",
        ),
        (samples.outside(), "tax code for VAT of category O at 0 % is not known."),
    ],
)
def test_what_quickbooks_would_not_import_is_said(document: Document, words: str) -> None:
    with pytest.raises(Faulty, match=words):
        list(quickbooks.files([document], QUICKBOOKS))


def test_a_vat_that_xero_knows_no_rate_for_is_said() -> None:
    with pytest.raises(Faulty, match="Xero's tax rate for VAT of category O at 0 % is not known"):
        list(xero.files([samples.outside()], XERO))


def test_nobody_s_name_is_a_formula() -> None:
    document = samples.document(buyer=replace(samples.ACME, name="=cmd"))

    assert _rows(xero.files([document], XERO))[0]["*ContactName"] == "'=cmd"
    assert _rows(quickbooks.files([document], QUICKBOOKS))[0]["*Customer"] == "'=cmd"


def test_a_selection_is_cut_into_files_that_the_other_takes() -> None:
    documents = [samples.document(number=f"R-{at}") for at in range(5)]
    parted = parts.of(documents, documents_at_most=3, rows_at_most=9)

    assert [[each.number for each in part] for part in parted] == [
        ["R-0", "R-1"],
        ["R-2", "R-3"],
        ["R-4"],
    ]
    assert len(list(parts.of(documents, documents_at_most=3, rows_at_most=1_000))) == 2
    assert list(parts.of([], documents_at_most=3, rows_at_most=9)) == []


def test_a_document_is_never_cut() -> None:
    with pytest.raises(Faulty, match="It has 4 rows, and a file must not hold more than 3"):
        list(parts.of([samples.document()], documents_at_most=3, rows_at_most=3))


@given(
    prices=st.lists(
        st.decimals(min_value=-1000, max_value=1000, places=2, allow_nan=False), min_size=1
    )
)
def test_the_taxes_of_lines_are_always_the_document_s(prices: list[Decimal]) -> None:
    document = samples.document(
        [
            samples.line(at, "x", "-1" if price < 0 else "1", str(abs(price)))
            for at, price in enumerate(prices)
        ]
    )

    assert sum(line.tax for line in lines.flat(document)) == document.totals.vat
    assert sum(line.amount for line in lines.flat(document)) == document.totals.net
