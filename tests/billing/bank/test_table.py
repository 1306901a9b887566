"""Statements as tables: what is read, and what is refused, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from billing.bank import table
from billing.bank.entries import Unreadable
from billing.bank.table import Layout
from tests.billing.bank.samples import ACCOUNT, PAYER

GERMAN = Layout(account=ACCOUNT, currency="EUR")
HEAD = "Buchungstag;Zahlungsbeteiligter;IBAN;Verwendungszweck;Betrag;Währung\r\n"
ROW = '10.02.2026;Müller & Söhne;DE89 3704 0044 0532 0130 00;"INV-000001; danke";1.235,70;EUR\r\n'
BOTH = (HEAD + ROW).encode()
WAYS = b"Datum;Soll;Haben\n"


def test_a_german_bank_is_read_without_a_word() -> None:
    (found,) = table.read(BOTH, GERMAN)
    assert (found.account, found.booked_on) == (ACCOUNT, date(2026, 2, 10))
    assert (found.amount, found.currency) == (Decimal("1235.70"), "EUR")
    assert (found.name, found.iban) == ("Müller & Söhne", PAYER)
    assert found.text == "INV-000001; danke"


def test_an_old_encoding_is_read_where_it_is_chosen() -> None:
    content = (HEAD + ROW).encode("cp1252")
    assert table.read(content, replace(GERMAN, encoding="cp1252"))[0].name == "Müller & Söhne"


def test_columns_can_be_named() -> None:
    layout = Layout(
        account=ACCOUNT,
        currency="USD",
        delimiter=",",
        has_comma=False,
        dates="mdy",
        columns={"booked_on": "When", "amount": "How much", "text": "What for"},
    )
    content = b'When,How much,What for\n02/10/2026,"-1,234.5",INV-000001\n'
    (found,) = table.read(content, layout)
    assert (found.amount, found.currency, found.text) == (Decimal("-1234.5"), "USD", "INV-000001")


@pytest.mark.parametrize(
    ("heading", "sign", "amount"),
    [
        ("Soll/Haben", "S", "-12.50"),
        ("S/H", "h", "12.50"),
        ("Debit/Credit", "DBIT", "-12.50"),
        ("Credit/Debit", "Credit", "12.50"),
    ],
)
def test_a_column_of_its_own_says_which_way_the_money_went(
    heading: str, sign: str, amount: str
) -> None:
    content = f"Datum;Umsatz;{heading}\n10.02.2026;12,50;{sign}\n".encode()
    assert table.read(content, GERMAN)[0].amount == Decimal(amount)


@pytest.mark.parametrize(
    ("heading", "cells", "amount"),
    [
        ("Soll;Haben", "12,50;", "-12.50"),
        ("Soll;Haben", "-12,50;", "-12.50"),
        ("Soll;Haben", "12,50-;", "-12.50"),
        ("Soll;Haben", ";1.012,50", "1012.50"),
        ("Debit;Credit", "0,00;12,50", "12.50"),
        ("Debit;Credit", "12,50;0", "-12.50"),
        ("Paid out;Paid in", ";12,50", "12.50"),
        ("PAID IN ; Paid  Out", "12,50;", "12.50"),
        ("Haben;Soll;S/H", ";12,50;S", "-12.50"),
        # Some banks have a column of amounts besides, of which they fill what they like.
        ("Betrag;Soll;Haben", ";;12,50", "12.50"),
        ("Betrag;Soll;Haben", "99,00;12,50;", "-12.50"),
        # Where there is but one of the two, the amount is what counts.
        ("Betrag;Credit", "-12,50;x", "-12.50"),
    ],
)
def test_debits_and_credits_have_columns_of_their_own(
    heading: str, cells: str, amount: str
) -> None:
    content = f"Datum;{heading}\n10.02.2026;{cells}\n".encode()
    assert table.read(content, GERMAN)[0].amount == Decimal(amount)


@pytest.mark.parametrize(
    ("columns", "amount"),
    [
        ({"debit": "Weg", "credit": "Da"}, "-3"),
        ({"debit": "Weg"}, "-3"),  # the other one is known
        ({"amount": "Betrag"}, "9"),
    ],
)
def test_what_is_named_goes_before_what_is_known(columns: dict[str, str], amount: str) -> None:
    layout = replace(GERMAN, columns=columns)
    content = b"Datum;Betrag;Weg;Da;Soll;Haben\n10.02.2026;9;3;;4;\n"
    assert table.read(content, layout)[0].amount == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "has_comma", "amount"),
    [
        ("12,50-", True, "-12.50"),
        ("12,50+", True, "12.50"),
        ("1.234,50-", True, "-1234.50"),
        ("1,234.50-", False, "-1234.50"),
        ("7-", False, "-7"),
    ],
)
def test_a_sign_may_stand_behind(text: str, has_comma: bool, amount: str) -> None:
    content = f"Datum;Umsatz\n10.02.2026;{text}\n".encode()
    (found,) = table.read(content, replace(GERMAN, has_comma=has_comma))
    assert found.amount == Decimal(amount)


def test_rows_that_are_alike_stay_two_and_are_known_again() -> None:
    first, second = table.read((HEAD + ROW + ROW).encode(), GERMAN)
    assert first.key != second.key
    assert [each.key for each in table.read(BOTH, GERMAN)] == [first.key]


@pytest.mark.parametrize(
    ("content", "layout", "field", "words"),
    [
        ((HEAD + ROW).encode("cp1252"), GERMAN, "encoding", "not in UTF-8"),
        (BOTH, replace(GERMAN, encoding="cp1252"), "encoding", "is in UTF-8"),
        ((HEAD + ROW).encode("utf-16"), GERMAN, "file", "in UTF-16"),
        (b"", GERMAN, "file", "empty"),
        (b"\n\n", GERMAN, "file", "empty"),
        (BOTH, replace(GERMAN, delimiter=","), "booked_on", "has the day"),
        (BOTH, replace(GERMAN, columns={"text": "X"}), "text", "called “X”"),
        (BOTH, replace(GERMAN, has_comma=False), "has_comma", "Row 2: “1.235,70”"),
        (BOTH, replace(GERMAN, dates="ymd"), "dates", "like 2026-01-31"),
        ((HEAD + "10.02.2026;x\r\n").encode(), GERMAN, "file", "Row 2 has 2 columns"),
        ((HEAD + ROW.replace("EUR", "€")).encode(), GERMAN, "currency", "“€” is no currency"),
        (b"Betrag;Betrag;Datum\n", GERMAN, "amount", "Two columns are called “Betrag”"),
        ((HEAD + ROW[:-3] + ';"x').encode(), GERMAN, "file", "no table"),
        (b"Datum;Umsatz;S/H\n10.02.2026;1,00;X\n", GERMAN, "file", "Row 2: “X” is neither"),
        (b"Datum;Umsatz;S/H\n10.02.2026;1,00;\n", GERMAN, "file", "Row 2: “” is neither"),
        (b"Datum;Umsatz;S/H\n10.02.2026;-1,00;H\n", GERMAN, "file", "Row 2: an amount below 0"),
        (b"Datum;Umsatz;S/H;SH\n10.02.2026;1,00;S;S\n", GERMAN, "file", "Two columns say"),
        (b"Datum;Umsatz\n10.02.2026;-1,00-\n", GERMAN, "has_comma", "Row 2: “-1,00-” is no"),
        (b"Datum;Umsatz\n10.02.2026;+1,00-\n", GERMAN, "has_comma", "Row 2"),
        (b"Datum;Umsatz\n10.02.2026;-\n", GERMAN, "has_comma", "Row 2: “-” is no amount"),
        (b"Datum;Umsatz\n10.02.2026;1-2\n", GERMAN, "has_comma", "Row 2"),
        (WAYS + b"10.02.2026;1;\n11.02.2026;1,00;2,00\n", GERMAN, "debit", "Row 3 has a debit and"),
        (WAYS + b"10.02.2026;;\n", GERMAN, "debit", "Row 2 has neither"),
        (WAYS + b"10.02.2026;0,00;0,00\n", GERMAN, "debit", "Row 2 has neither"),
        (WAYS + b"10.02.2026;;-1,00\n", GERMAN, "credit", "Row 2: a credit below 0"),
        (WAYS + b"10.02.2026;;1,00-\n", GERMAN, "credit", "Row 2: a credit below 0"),
        (WAYS + b"10.02.2026;x;1,00\n", GERMAN, "has_comma", "Row 2: “x” is no amount"),
        (b"Datum;Soll;Haben;S/H\n10.02.2026;;1,00;S\n", GERMAN, "credit", "says otherwise"),
        (b"Datum;Soll\n10.02.2026;1,00\n", GERMAN, "credit", "has the credits"),
        (b"Datum;Haben\n10.02.2026;1,00\n", GERMAN, "debit", "has the debits"),
        (b"Datum;Soll;Haben;Debit\n", GERMAN, "debit", "Two columns are called “Soll”"),
        (
            b"Datum;Betrag;Soll;Haben\n",
            replace(GERMAN, columns={"amount": "Betrag", "debit": "Soll"}),
            "amount",
            "or two of debits and credits",
        ),
        ((HEAD + ROW.replace("1.235,70", "=1+1")).encode(), GERMAN, "has_comma", "no amount"),
    ],
)
def test_what_can_not_be_read_is_refused_at_its_field(
    content: bytes, layout: Layout, field: str, words: str
) -> None:
    with pytest.raises(Unreadable, match=words) as caught:
        table.read(content, layout)
    assert caught.value.field == field
