"""The page that is printed: what stands on it, in the words that people read."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from html import unescape

import pytest

from billing.countries import CODES
from billing.documents import page, transfer, words
from billing.documents.invoice import Address, Document, Party, Period, Preceding
from billing.documents.transfer import Transfer
from tests.billing.documents import samples


def _text(document: Document) -> str:
    """What stands on the page, with one space between words."""
    body = page.html(document).split("<body>")[1]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_it_says_what_is_due_and_how_to_pay() -> None:
    text = _text(samples.document(notes=("Thank you.",)))

    for part in (
        "Invoice number R-2026-0042",
        "Date of issue 1 April 2026",
        "Service period 1 – 31 March 2026",
        "€141.26 EUR due on 15 April 2026 Thank you.",
        "gpt-4o, input tokens Promised rate: −€0.31 1,234,567 €2.50 per 1,000,000 19% €2.78",
        "n8n Starter 17 days €29.00 per 30 days 19% €16.43",
        "VAT 19% on €118.71 €22.55 Total €141.26 Amount due €141.26 EUR",
        "IBAN DE89 3704 0044 0532 0130 00",
        "Acme Logistics GmbH Lindenallee 4 10115 Berlin Germany",
    ):
        assert part in text


def test_a_credit_note_says_what_it_takes_back_and_asks_for_nothing() -> None:
    text = _text(samples.credit_note())

    assert "For invoice R-2026-0042 of 1 April 2026" in text
    assert "€10.35 EUR credited" in text
    assert "IBAN" not in text


def test_it_says_why_no_vat_is_charged() -> None:
    assert "Reverse charge: the buyer owes the VAT." in _text(samples.reverse_charge())


def test_it_shows_discounts_and_what_was_credited_before() -> None:
    text = _text(samples.discounted())

    assert "Spring 2026 (10%) −€10.54 Setup €5.00 Total without VAT €113.17" in text
    assert "Total €134.67 Credited or paid before −€20.00 Amount due €114.67 EUR" in text


def test_what_is_paid_is_due_on_no_day() -> None:
    assert "€0.00 EUR due Description" in _text(samples.document(prepaid=Decimal("141.26")))


def test_it_shows_vat_in_the_currency_of_the_books() -> None:
    assert "VAT in EUR: €20.82" in _text(samples.in_dollars())


def test_currencies_have_their_own_decimals() -> None:
    assert "¥16,500 JPY due" in _text(samples.outside())
    assert "KWD 37.035 due" in _text(samples.in_dinars())


def _codes(page_or_code: str) -> list[str]:
    return re.findall(r'class="qrline"[^>]*? d="([^"]+)"', page_or_code)


def test_it_has_the_code_that_banks_apps_read_of_what_is_due() -> None:
    document = samples.document(prepaid=Decimal("41.26"))
    wanted = Transfer(
        name="Berth Hosting GmbH",
        iban="DE89370400440532013000",
        bic="COBADEFFXXX",
        amount=Decimal("100.00"),
        currency="EUR",
        number="R-2026-0042",
    )

    (code,) = _codes(page.html(document))
    assert [code] == _codes(transfer.scan_code(wanted))


@pytest.mark.parametrize(
    "document",
    [
        samples.credit_note(),
        samples.in_dollars(),
        samples.document(prepaid=Decimal("141.26")),
        replace(samples.document(), payment=None),
    ],
    ids=["credit note", "dollars", "paid", "no account"],
)
def test_where_nothing_is_to_be_transferred_in_euros_there_is_no_code(document: Document) -> None:
    assert _codes(page.html(document)) == []


def test_every_country_that_a_client_can_have_has_a_name() -> None:
    assert {code for code in CODES if page.country(code) == code} == set()
    assert (page.country("TR"), page.country("XX")) == ("T\u00fcrkiye", "XX")


def test_a_text_can_bring_nothing_of_its_own() -> None:
    document = samples.document([samples.line(1, '<img src="file:///etc/passwd">', "1", "9.00")])

    assert "&lt;img src=&#34;file:///etc/passwd&#34;&gt;" in page.html(document)


def test_what_a_line_is_for_is_said_where_it_is_not_what_all_is_for() -> None:
    february = Period(first_day=date(2026, 2, 1), last_day=date(2026, 2, 28))
    late = samples.line(1, "Late usage", "1", "9.00", period=february)

    assert "Late usage 1 – 28 February 2026" in _text(samples.document([late]))
    assert "n8n Business flows.acme 1 month" in _text(samples.document())


def test_everything_that_may_be_missing_may_be_missing() -> None:
    bare = replace(
        samples.document([samples.line(1, "n8n", "1", "9.00")]),
        period=None,
        payment=None,
        due_date=None,
        order_reference="O-1",
        seller=Party(name="Berth", address=Address(country="XX")),
        preceding=Preceding(number="R-1", issue_date=date(2026, 1, 2)),
    )

    assert "Your order O-1 From Berth XX To" in _text(bare)
    assert "Date of supply 31 March 2026" in _text(bare)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (date(2026, 3, 1), date(2026, 3, 1), "1 March 2026"),
        (date(2026, 3, 1), date(2026, 3, 31), "1 – 31 March 2026"),
        (date(2026, 3, 15), date(2026, 4, 14), "15 March – 14 April 2026"),
        (date(2026, 12, 15), date(2027, 1, 14), "15 December 2026 – 14 January 2027"),
    ],
)
def test_a_period_is_as_short_as_it_can_be(first: date, last: date, expected: str) -> None:
    assert words.period(Period(first_day=first, last_day=last)) == expected


@pytest.mark.parametrize(
    ("quantity", "unit", "expected"),
    [
        ("1", "MON", "1 month"),
        ("1.5", "HUR", "1.5 hours"),
        ("-1200", "C62", "−1,200"),
        ("1", "XPP", "1"),
    ],
)
def test_a_quantity_is_said_with_its_unit(quantity: str, unit: str, expected: str) -> None:
    assert words.quantity(samples.line(1, "x", quantity, "1", unit=unit)) == expected
