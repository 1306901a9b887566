"""What a bank's app reads from an invoice's code, and the reference with check digits."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
import segno
from lxml import etree
from stdnum import iso11649

from billing.documents import transfer
from billing.documents.transfer import Transfer

EUROS = Transfer(
    name="Berth Hosting GmbH",
    iban="DE02 1203 0000 0000 2020 51",
    bic="BYLADEM1001",
    amount=Decimal("35.700"),
    currency="EUR",
    number="INV-000001",
)


def _path(svg: str) -> str:
    found = etree.fromstring(svg).find('.//{*}path[@class="qrline"]')
    assert found is not None
    return found.get("d", "")


def test_the_code_holds_what_epc069_12_says() -> None:
    """Line by line: mark, version, character set, SCT, BIC, name, IBAN, amount, purpose, text."""
    lines = (
        *("BCD", "002", "2", "SCT", "BYLADEM1001", "Berth Hosting GmbH"),
        *("DE02120300000000202051", "EUR35.7", "", "", "INV-000001"),
    )
    wanted = segno.make_qr("\n".join(lines), error="m", boost_error=False)
    assert _path(transfer.scan_code(EUROS)) == _path(wanted.svg_inline(scale=4, omitsize=True))


def test_the_code_is_one_element_without_script_or_style() -> None:
    svg = transfer.scan_code(replace(EUROS, name="<script>alert(1)</script>", number="A&B-1"))
    names = {etree.QName(each).localname for each in etree.fromstring(svg).iter()}
    assert names == {"svg", "title", "g", "path"}
    assert "style" not in svg


@pytest.mark.parametrize(
    "other",
    [
        replace(EUROS, currency="USD"),
        replace(EUROS, amount=Decimal(0)),
        replace(EUROS, amount=Decimal("1000000000.00")),
        replace(EUROS, iban="DE03120300000000202051"),
    ],
)
def test_there_is_none_for_what_it_can_not_hold(other: Transfer) -> None:
    assert not transfer.scan_code(other)


def test_a_long_name_is_cut() -> None:
    assert transfer.scan_code(replace(EUROS, name="x" * 120))


@pytest.mark.parametrize(
    ("number", "reference"),
    [("INV-000001", "RF69INV000001"), ("CN-12-000034", "RF15CN12000034"), ("X" * 22, "")],
)
def test_references_have_check_digits(number: str, reference: str) -> None:
    assert transfer.creditor_reference(number) == reference
    assert not reference or iso11649.is_valid(reference)


def test_an_iban_is_read_in_groups() -> None:
    assert transfer.in_groups("DE02120300000000202051") == "DE02 1203 0000 0000 2020 51"
