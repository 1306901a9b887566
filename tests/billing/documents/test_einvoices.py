"""E-invoices: golden ones that pass every check, and ones that are broken in one way each."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.documents import cii, einvoices, rules, sums, ubl
from billing.documents.errors import Faulty
from billing.documents.invoice import Document, Party, Period, Vat, VatCategory
from tests.billing.documents import samples

GOLDEN = Path(__file__).with_name("golden")
CENT = Decimal("0.01")


@pytest.mark.parametrize("name", samples.GOLDEN)
def test_it_writes_the_golden_factur_x(name: str) -> None:
    made = einvoices.factur_x(samples.GOLDEN[name])

    assert made.decode() == (GOLDEN / f"{name}.cii.xml").read_text()


@pytest.mark.parametrize("name", samples.GOLDEN)
def test_it_writes_the_golden_peppol_invoice(name: str) -> None:
    made = einvoices.peppol_bis(samples.GOLDEN[name])

    assert made.decode() == (GOLDEN / f"{name}.ubl.xml").read_text()


@pytest.mark.parametrize(
    ("category", "reason_code"),
    [("S", ""), ("Z", ""), ("E", "VATEX-EU-132"), ("AE", "VATEX-EU-AE"), ("G", "VATEX-EU-G")],
)
def test_each_category_makes_both_e_invoices(category: str, reason_code: str) -> None:
    vat = Vat(category=VatCategory(category), rate=Decimal(19 if category == "S" else 0))
    made = samples.document([samples.line(1, "n8n Business", "1", "89.00", vat=vat)])
    (total,) = made.vat
    reason = "Why no VAT is charged." if reason_code else ""
    document = replace(made, vat=(replace(total, reason=reason, reason_code=reason_code),))

    assert einvoices.factur_x(document)
    assert einvoices.peppol_bis(document)


def test_a_consumer_s_invoice_is_right_and_not_for_peppol() -> None:
    buyer = _without(samples.ACME, vat_number="", name="Alice Winter")
    document = samples.document(buyer=buyer)

    assert einvoices.factur_x(document)
    assert einvoices.why_not_peppol(document) == (
        "Peppol wants an electronic address of the buyer, or a VAT number that can be one.",
    )
    assert einvoices.why_not_peppol(samples.document()) == ()


def _without(party: Party, **fields: Any) -> Party:
    return replace(party, **fields)


MONTH = samples.document()
BROKEN_FOR_BOTH = {
    "off by a cent": (
        replace(MONTH, totals=replace(MONTH.totals, due=MONTH.totals.due + CENT)),
        "The amount due is 141.26, not 141.27.",
    ),
    "no number": (replace(MONTH, number=""), "[BR-02]"),
    "an unknown currency": (replace(MONTH, currency="XYZ"), "BR-CL-03|currency"),
    "no seller": (replace(MONTH, seller=_without(MONTH.seller, name="")), "[BR-06]"),
    "no country of the buyer": (
        replace(
            MONTH, buyer=replace(MONTH.buyer, address=replace(MONTH.buyer.address, country=""))
        ),
        "[BR-11]",
    ),
    "no lines": (samples.document([]), "Expected is"),
    "an unknown unit": (
        samples.document([samples.line(1, "x", "1", "9", unit="?")]),
        "Value of '@unitCode' is not allowed.|[BR-CL-23]",
    ),
    "no name of a line": (samples.document([samples.line(1, "", "1", "9.00")]), "[BR-25]"),
    "a period that ends before it begins": (
        replace(
            samples.document([samples.line(1, "x", "1", "9.00")]),
            period=Period(first_day=date(2026, 4, 1), last_day=date(2026, 3, 1)),
        ),
        "[BR-29]",
    ),
    "neither a day nor terms for what is due": (
        replace(MONTH, due_date=None, payment=replace(samples.PAYMENT, terms="")),
        "141.26 is due, and neither a day nor terms say when.",
    ),
    "a transfer without an account": (
        replace(MONTH, payment=replace(samples.PAYMENT, iban="")),
        "The payment's IBAN is “”, which is none.",
    ),
    "an account with two digits swapped": (
        replace(MONTH, payment=replace(samples.PAYMENT, iban="DE89370400440532031000")),
        "The payment's IBAN is “DE89370400440532031000”, which is none.",
    ),
    "a credit note of nothing": (
        samples.credit_note(preceding=None),
        "A credit note names the invoice that it takes back, and this one names none.",
    ),
    "VAT without a VAT number of the seller": (
        replace(
            MONTH,
            seller=_without(MONTH.seller, vat_number="", endpoint="1", endpoint_scheme="0088"),
        ),
        "[BR-S-02]",
    ),
    "reverse charge without a reason": (
        replace(
            samples.reverse_charge(),
            vat=(replace(samples.reverse_charge().vat[0], reason="", reason_code=""),),
        ),
        "[BR-AE-10]",
    ),
    "reverse charge without a VAT number of the buyer": (
        samples.reverse_charge(
            buyer=_without(
                samples.BOB, vat_number="", registration="", endpoint="1", endpoint_scheme="0106"
            )
        ),
        "[BR-AE-02]",
    ),
    "three decimals": (
        samples.in_dinars(),
        "EN 16931 has two decimals at the most, and KWD has 3",
    ),
}


@pytest.mark.parametrize("case", BROKEN_FOR_BOTH)
def test_a_broken_document_leaves_in_neither_format(case: str) -> None:
    document, words = BROKEN_FOR_BOTH[case]

    for make in (einvoices.factur_x, einvoices.peppol_bis):
        with pytest.raises(Faulty) as refused:
            make(document)
        said = " ".join(refused.value.faults)
        assert any(each in said for each in words.split("|")), said


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (
            replace(MONTH, buyer_reference=""),
            "Peppol wants the buyer's reference or the number of its order.",
        ),
        (
            replace(MONTH, buyer=_without(MONTH.buyer, vat_number="")),
            "Peppol wants an electronic address of the buyer, or a VAT number that can be one.",
        ),
        (
            replace(
                MONTH, seller=_without(MONTH.seller, endpoint="a@b.example", endpoint_scheme="EM")
            ),
            "Peppol knows no scheme EM for the electronic address of the seller.",
        ),
        (
            replace(MONTH, period=replace(samples.MARCH, last_day=date(2026, 3, 30))),
            "Line 1 is for 2026-03-01 to 2026-03-31, which is not within 2026-03-01 to 2026-03-30.",
        ),
        (
            replace(MONTH, seller=_without(MONTH.seller, phone="")),
            "Between German parties, Peppol wants the seller's phone.",
        ),
        (replace(MONTH, payment=None), "Between German parties, Peppol wants the payment."),
    ],
)
def test_peppol_s_own_rules_are_kept(document: Document, sentence: str) -> None:
    with pytest.raises(Faulty) as refused:
        einvoices.peppol_bis(document)

    assert sentence in refused.value.faults


def test_the_standard_s_rules_miss_a_cent_of_vat_that_the_sums_find() -> None:
    off = replace(MONTH, vat=(replace(MONTH.vat[0], amount=MONTH.vat[0].amount + CENT),))
    off = replace(off, totals=sums.totals_of(off))

    assert rules.CII.faults(cii.write(off)) == ()
    assert rules.UBL_INVOICE.faults(ubl.write(off)) == ()
    assert sums.faults(off) == ("The VAT of category S at 19 % is 22.55, not 22.56.",)


def test_peppol_refuses_what_was_rounded_to_whole_yen() -> None:
    """345,678 tokens at ¥1,500 a million are ¥518.517: R120 allows 0.02."""
    tokens = samples.line(
        1, "tokens", "345678", "1500", base_quantity=Decimal(1_000_000), exponent=0,
        vat=samples.OUTSIDE,
    )  # fmt: skip
    document = samples.outside(lines=[tokens])

    assert einvoices.factur_x(document)
    with pytest.raises(Faulty, match=r"takes rounding by 0\.02, and line 1 makes 518\.52, rounded"):
        einvoices.peppol_bis(document)


def test_each_file_has_its_day_of_delivery() -> None:
    """BT-72, which neither schema asks for."""
    assert b'"102">20260331</udt:DateTimeString>' in einvoices.factur_x(MONTH)
    assert b"<cbc:ActualDeliveryDate>2026-03-31</cbc:Actual" in einvoices.peppol_bis(MONTH)


def test_a_file_without_its_sums_is_refused() -> None:
    whole = cii.write(MONTH).decode()
    name = "ram:SpecifiedTradeSettlementHeaderMonetarySummation"
    begin, end = whole.index(f"<{name}>"), whole.index(f"</{name}>") + len(f"</{name}>")

    (fault,) = rules.CII.faults((whole[:begin] + whole[end:]).encode())

    assert fault.startswith("Factur-X EN 16931, line ")
    assert "Missing child element(s)" in fault


def test_a_file_of_another_order_is_refused() -> None:
    swapped = ubl.write(MONTH).replace(b"cbc:IssueDate", b"cbc:DueDate", 2)

    (fault, *_) = rules.UBL_INVOICE.faults(swapped)

    assert fault.startswith("UBL 2.1, EN 16931, line 6: Element")


def test_what_is_no_xml_is_said() -> None:
    (fault,) = rules.CII.faults(b"<invoice>")

    assert fault.startswith("The e-invoice is no XML: ")


def test_a_file_that_no_rule_speaks_of_is_not_taken_for_a_good_one() -> None:
    nothing = rules.Rules("UBL", rules.UBL_INVOICE.schema, rules.CII.schematron)

    assert nothing.faults(ubl.write(MONTH)) == (
        "UBL: not one rule was looked at, so nothing is known.",
    )


def test_a_warning_is_no_fault() -> None:
    with_uuid = ubl.write(MONTH).replace(
        b"<cbc:IssueDate>", b"<cbc:UUID>1</cbc:UUID>\n  <cbc:IssueDate>", 1
    )

    assert b"UBL-CR-005" in rules._report(rules.UBL_INVOICE, with_uuid)
    assert rules.UBL_INVOICE.faults(with_uuid) == ()


def test_texts_stay_texts() -> None:
    document = samples.document([samples.line(1, "<b>& \x0b]]>", "1", "9.00")])

    assert b"&lt;b&gt;&amp; ]]&gt;" in einvoices.factur_x(document)
