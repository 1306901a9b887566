"""Invoices as values: one of each kind that Berth issues, put together from their lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from billing.documents import sums
from billing.documents.invoice import (
    AccountingVat,
    Address,
    Allowance,
    Document,
    DocumentAllowance,
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

STANDARD = Vat(category=VatCategory.STANDARD, rate=Decimal(19))
REVERSE = Vat(category=VatCategory.REVERSE_CHARGE, rate=Decimal(0))
OUTSIDE = Vat(category=VatCategory.OUTSIDE_SCOPE, rate=Decimal(0))
MARCH = Period(first_day=date(2026, 3, 1), last_day=date(2026, 3, 31))
REASONS = {
    REVERSE: ("Reverse charge: the buyer owes the VAT.", "VATEX-EU-AE"),
    OUTSIDE: ("Not subject to VAT in the EU: the buyer is outside it.", "VATEX-EU-O"),
}

SELLER = Party(
    name="Berth Hosting GmbH",
    address=Address(street="Hafenstraße 12", postcode="20457", city="Hamburg", country="DE"),
    vat_number="DE123456789",
    registration="HRB 98765",
    contact="Accounts",
    phone="+49 40 1234567",
    email="billing@berth.example",
    legal="Managing director: Alice Winter. Amtsgericht Hamburg, HRB 98765",
)
ACME = Party(
    name="Acme Logistics GmbH",
    address=Address(street="Lindenallee 4", postcode="10115", city="Berlin", country="DE"),
    number="C-1042",
    vat_number="DE987654321",
    email="invoices@acme.example",
)
BOB = Party(
    name="Bob & Zonen B.V.",
    address=Address(street="Keizersgracht 100", postcode="1015 CV", city="Amsterdam", country="NL"),
    number="C-1077",
    vat_number="NL123456789B01",
    registration="12345678",
    email="boekhouding@bob.example",
)
PAYMENT = Payment(
    means=PaymentMeans.SEPA_TRANSFER,
    iban="DE89370400440532013000",
    bic="COBADEFFXXX",
    account_name="Berth Hosting GmbH",
    reference="R-2026-0042",
    terms="Payable within 14 days without deduction.",
)


def line(number: int, name: str, quantity: str, price: str, **more: Any) -> Line:
    """A line with its net, in pieces at the standard rate unless something else is said."""
    exponent = more.pop("exponent", 2)
    made = Line(
        **{
            "number": str(number),
            "name": name,
            "quantity": Decimal(quantity),
            "unit": "C62",
            "price": Decimal(price),
            "net": Decimal(0),
            "vat": STANDARD,
            **more,
        }
    )
    return replace(made, net=sums.net_of(made, exponent))


MONTH = (
    line(1, "n8n Business", "1", "89.00", unit="MON", period=MARCH, description="flows.acme"),
    line(2, "n8n Starter", "17", "29.00", unit="DAY", base_quantity=Decimal(30), period=MARCH),
    line(3, "Executions above 10,000", "2500", "0.0042", period=MARCH),
    line(
        4,
        "gpt-4o, input tokens",
        "1234567",
        "2.50",
        base_quantity=Decimal(1_000_000),
        period=MARCH,
        allowances=(Allowance(amount=Decimal("0.31"), reason="Promised rate"),),
    ),
)


def document(lines: Sequence[Line] = MONTH, **more: Any) -> Document:
    """An invoice of Acme's for March with its sums, unless something else is said."""
    nothing = Decimal(0)
    prepaid = more.pop("prepaid", nothing)
    made = Document(
        **{
            "kind": Kind.INVOICE,
            "number": "R-2026-0042",
            "issue_date": date(2026, 4, 1),
            "delivery_date": date(2026, 3, 31),
            "due_date": date(2026, 4, 15),
            "currency": "EUR",
            "exponent": 2,
            "seller": SELLER,
            "buyer": ACME,
            "lines": tuple(lines),
            "vat": (),
            "totals": Totals(
                lines=nothing, net=nothing, vat=nothing, gross=nothing, due=nothing, prepaid=prepaid
            ),
            "buyer_reference": "PO-7781",
            "period": MARCH,
            "payment": PAYMENT,
            **more,
        }
    )
    with_vat = replace(made, vat=tuple(_vat(made)))
    return replace(with_vat, totals=sums.totals_of(with_vat))


def _vat(made: Document) -> Sequence[VatTotal]:
    return [
        VatTotal(
            vat=vat,
            basis=basis,
            amount=amount,
            reason=REASONS.get(vat, ("", ""))[0],
            reason_code=REASONS.get(vat, ("", ""))[1],
        )
        for vat, (basis, amount) in sums.vat_of(made).items()
    ]


def credit_note(**more: Any) -> Document:
    """What takes back a part of Acme's invoice."""
    lines = (
        line(
            1,
            "n8n Starter, 9 days without service",
            "9",
            "29.00",
            unit="DAY",
            base_quantity=Decimal(30),
            period=MARCH,
        ),
    )
    return document(
        **{
            "lines": lines,
            "kind": Kind.CREDIT_NOTE,
            "number": "C-2026-0003",
            "issue_date": date(2026, 4, 9),
            "due_date": None,
            "preceding": Preceding(number="R-2026-0042", issue_date=date(2026, 4, 1)),
            "payment": replace(PAYMENT, reference="C-2026-0003", terms="Paid back within 14 days."),
            **more,
        }
    )


def reverse_charge(**more: Any) -> Document:
    """An invoice to another country of the EU."""
    lines = (line(1, "Flowise Team", "1", "149.00", unit="MON", vat=REVERSE, period=MARCH),)
    return document(**{"lines": lines, "number": "R-2026-0043", "buyer": BOB, **more})


def discounted(**more: Any) -> Document:
    """An invoice with a discount on the whole, a charge, and a credit that was there before."""
    allowances = (
        DocumentAllowance(
            amount=Decimal("10.54"),
            reason="Spring 2026",
            percent=Decimal(10),
            base=Decimal("105.43"),
            vat=STANDARD,
        ),
        DocumentAllowance(amount=Decimal("5.00"), reason="Setup", is_charge=True, vat=STANDARD),
    )
    return document(allowances=allowances, prepaid=Decimal("20.00"), **more)


def outside(**more: Any) -> Document:
    """An invoice to Japan, in yen."""
    buyer = Party(
        name="株式会社アクメ",
        address=Address(street="1-2-3 Marunouchi", postcode="100-0005", city="Tokyo", country="JP"),
        number="C-1090",
        email="keiri@acme.example",
        endpoint="7080000000001",
        endpoint_scheme="0188",
    )
    lines = (
        line(1, "n8n Business", "1", "12000", unit="MON", vat=OUTSIDE, exponent=0, period=MARCH),
        line(
            2,
            "gpt-4o, output tokens",
            "3000000",
            "1500",
            vat=OUTSIDE,
            base_quantity=Decimal(1_000_000),
            exponent=0,
        ),
    )
    return document(
        **{
            "lines": lines,
            "number": "R-2026-0044",
            "buyer": buyer,
            "currency": "JPY",
            "exponent": 0,
            "buyer_reference": "C-1090",
            **more,
        }
    )


def in_dinars(**more: Any) -> Document:
    """An invoice in a currency of three decimals, which EN 16931 can't hold."""
    lines = (line(1, "Flowise Team", "3", "12.345", vat=OUTSIDE, exponent=3),)
    return document(
        **{"lines": lines, "number": "R-2026-0045", "currency": "KWD", "exponent": 3, **more}
    )


def in_dollars(**more: Any) -> Document:
    """An invoice in another currency than the seller's books."""
    books = AccountingVat(currency="EUR", exponent=2, amount=Decimal("20.82"))
    return document(**{"number": "R-2026-0046", "currency": "USD", "accounting_vat": books, **more})


GOLDEN = {
    "month": document(notes=("Thank you for hosting with us.", "Alice, Berth Hosting")),
    "credit-note": credit_note(),
    "reverse-charge": reverse_charge(),
    "discounted": discounted(),
    "outside": outside(),
    "dollars": in_dollars(),
}
