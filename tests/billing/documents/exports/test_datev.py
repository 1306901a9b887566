"""DATEV's booking batch, against the expressions of its published description."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing.documents.errors import Faulty
from billing.documents.exports import datev
from billing.documents.exports.datev_columns import COLUMNS
from billing.documents.invoice import Document
from tests.billing.documents import samples

BOOKS = datev.Books(
    consultant=29098,
    client=55003,
    year_begins_on=date(2026, 1, 1),
    revenue={samples.STANDARD: "8400", samples.REVERSE: "8336"},
    debtor="10000",
    debtors={"C-1042": "11042"},
    tax_keys={samples.REVERSE: "0094"},
)
APRIL = {"first_day": date(2026, 4, 1), "last_day": date(2026, 4, 30)}

# https://developer.datev.de/datev/platform/de/dtvf/formate/buchungsstapel, column "Ausdruck".
PUBLISHED = {
    "Umsatz (ohne Soll/Haben-Kz)": r"\d{1,10}[,]\d{2}",
    "Soll/Haben-Kennzeichen": r'["](S|H)["]',
    "WKZ Umsatz": r'["]([A-Z]{3})["]',
    "Konto": r"\d{1,9}",
    "Gegenkonto (ohne BU-Schlüssel)": r"\d{1,9}",
    "BU-Schlüssel": r'["](\d{4})?["]',
    "Belegdatum": r"\d{4}",
    "Belegfeld 1": r'["][\w$%&*+\-/]{0,36}["]',
    "Buchungstext": r'["].{0,60}["]',
    "EU-Land u. UStID (Bestimmung)": r'["].{0,15}["]',
    "Festschreibung": r"[01]",
    "Fälligkeit": r"(\d{8})?",
}
# The header of DATEV's own sample file, field by field.
HEADER = (
    r'"EXTF";700;21;"Buchungsstapel";13;\d{17};;"RE";"";"";29098;55003;20260101;4;20260401;20260430;'
    r'".{1,30}";"";1;0;0;"EUR";;"";;;"03";;;"";""'
)


def _batch(*documents: Document, **more: Any) -> bytes:
    return b"".join(datev.write(documents, **{"books": BOOKS, **APRIL, **more}))


def _bookings(*documents: Document) -> list[dict[str, str]]:
    """The rows by column, each field with its quotation marks."""
    _, head, *rows = _batch(*documents).decode("cp1252").removesuffix("\r\n").split("\r\n")
    assert head == ";".join(COLUMNS)
    return [dict(zip(COLUMNS, row.split(";"), strict=True)) for row in rows]


def test_its_header_is_that_of_the_published_sample() -> None:
    header = _batch().split(b"\r\n")[0].decode()

    assert re.fullmatch(HEADER, header)
    assert header.count(";") == 30


def test_it_has_the_125_columns() -> None:
    assert len(COLUMNS) == 125
    assert (COLUMNS[0], COLUMNS[39], COLUMNS[113], COLUMNS[124]) == (
        "Umsatz (ohne Soll/Haben-Kz)",
        "EU-Land u. UStID (Bestimmung)",
        "Festschreibung",
        "Abw. Skontokonto",
    )


def test_each_field_has_its_published_form_and_all_others_are_empty() -> None:
    bookings = _bookings(samples.document(), samples.credit_note(), samples.reverse_charge())

    assert len(bookings) == 3
    for booking in bookings:
        for column, field in booking.items():
            assert re.fullmatch(PUBLISHED.get(column, ""), field), (column, field)


def test_an_invoice_is_booked_from_the_client_to_its_revenue() -> None:
    (booking,) = _bookings(samples.document())

    assert {column: field for column, field in booking.items() if field not in ("", '""')} == {
        "Umsatz (ohne Soll/Haben-Kz)": "141,26",
        "Soll/Haben-Kennzeichen": '"S"',
        "WKZ Umsatz": '"EUR"',
        "Konto": "11042",
        "Gegenkonto (ohne BU-Schlüssel)": "8400",
        "Belegdatum": "0104",
        "Belegfeld 1": '"R-2026-0042"',
        "Buchungstext": '"Acme Logistics GmbH"',
        "Festschreibung": "0",
        "Fälligkeit": "15042026",
    }


def test_a_credit_note_is_booked_the_other_way() -> None:
    (booking,) = _bookings(samples.credit_note())

    assert booking["Soll/Haben-Kennzeichen"] == '"H"'
    assert booking["Umsatz (ohne Soll/Haben-Kz)"] == "10,35"


def test_what_an_invoice_takes_back_is_booked_the_other_way() -> None:
    (booking,) = _bookings(samples.document([samples.line(1, "x", "-1", "10.00")]))

    assert booking["Soll/Haben-Kennzeichen"] == '"H"'
    assert booking["Umsatz (ohne Soll/Haben-Kz)"] == "11,90"


def test_reverse_charge_has_its_key_and_the_buyer_s_vat_number() -> None:
    (booking,) = _bookings(samples.reverse_charge())

    assert booking["BU-Schlüssel"] == '"0094"'
    assert booking["EU-Land u. UStID (Bestimmung)"] == '"NL123456789B01"'
    assert booking["Konto"] == "10000"


def test_nothing_is_no_booking() -> None:
    assert _bookings(samples.document([samples.line(1, "x", "1", "0.00")])) == []


def test_texts_are_in_windows_1252_and_run_nothing() -> None:
    name = '=Ä "Ł"\nGmbH'
    (booking,) = _bookings(samples.document(buyer=replace(samples.ACME, name=name)))

    assert booking["Buchungstext"] == '"\'=Ä ""?"" GmbH"'


def test_the_same_selection_makes_the_same_bytes() -> None:
    assert _batch(samples.document()) == _batch(samples.document())
    assert next(csv.reader(io.StringIO(_batch().decode("cp1252")), delimiter=";"))[5] == (
        "20260430000000000"
    )


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (
            samples.document(issue_date=date(2026, 5, 1)),
            "It was issued on 2026-05-01, outside 2026-04-01 to 2026-04-30.",
        ),
        (samples.in_dollars(), "It is in USD, and the batch in EUR."),
        (
            samples.document([samples.line(1, "x", "1", "9.00", vat=samples.OUTSIDE)]),
            "The account of revenue for VAT of category O at 0 % is not known.",
        ),
        (
            samples.document(number="R 2026/42"),
            "DATEV takes letters, digits and $ & % * + - / in its number, 36 at the most.",
        ),
        (
            samples.document([samples.line(1, "x", "1", "9999999999.00")]),
            "11899999998.81 has more digits than DATEV takes, which is ten.",
        ),
    ],
)
def test_what_can_t_be_booked_is_said(document: Document, sentence: str) -> None:
    with pytest.raises(Faulty) as refused:
        _batch(document)

    assert refused.value.faults == (sentence,)


@pytest.mark.parametrize(
    ("books", "sentence"),
    [
        (replace(BOOKS, debtors={"C-1042": "D1042"}), "“D1042” is no account: up to nine digits."),
        (
            replace(BOOKS, tax_keys={samples.STANDARD: "USt19"}),
            "“USt19” is no tax key (BU-Schlüssel): up to four digits.",
        ),
    ],
)
def test_what_books_can_t_call_so_is_said(books: datev.Books, sentence: str) -> None:
    with pytest.raises(Faulty) as refused:
        _batch(samples.document(), books=books)

    assert refused.value.faults == (sentence,)


@pytest.mark.parametrize(
    ("first_day", "last_day"),
    [
        (date(2025, 12, 1), date(2026, 1, 31)),
        (date(2026, 12, 1), date(2027, 1, 1)),
        (date(2026, 4, 30), date(2026, 4, 1)),
    ],
)
def test_a_batch_lies_within_one_business_year(first_day: date, last_day: date) -> None:
    with pytest.raises(ValueError, match="lies within one business year"):
        _batch(first_day=first_day, last_day=last_day)


def test_both_sides_of_all_bookings_are_what_was_invoiced() -> None:
    documents = [samples.document(), samples.credit_note(), samples.reverse_charge()]
    sign = {'"S"': 1, '"H"': -1}
    booked = sum(
        sign[each["Soll/Haben-Kennzeichen"]]
        * Decimal(each["Umsatz (ohne Soll/Haben-Kz)"].replace(",", "."))
        for each in _bookings(*documents)
    )

    assert booked == Decimal("141.26") - Decimal("10.35") + Decimal("149.00")
