"""CAMT.053 as banks send it, and as somebody who means harm does."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from billing.bank import camt
from billing.bank.entries import Unreadable
from tests.billing.bank.samples import ACCOUNT, PAYER, entry, transfer
from tests.billing.bank.samples import camt as file


@pytest.mark.parametrize("version", ["02", "08"])
def test_a_transfer_is_read(version: str) -> None:
    details = transfer("INV-000001\nthank you", end_to_end="E-7", version=version)
    (found,) = camt.read(file(entry("35.70", details, version=version), version=version))
    assert (found.account, found.booked_on) == (ACCOUNT, date(2026, 2, 10))
    assert (found.amount, found.currency) == (Decimal("35.70"), "EUR")
    assert (found.name, found.iban) == ("Acme GmbH", PAYER)
    assert (found.text, found.end_to_end) == ("INV-000001 thank you", "E-7")
    assert found.bank_reference == "2026021000001"
    assert not found.is_return


@pytest.mark.parametrize("version", ["02", "08"])
def test_a_batch_is_one_line_a_transaction(version: str) -> None:
    parts = [
        transfer(f"INV-00000{n}", amount=amount, version=version)
        for n, amount in ((1, "35.70"), (2, "14.30"), (3, "14.30"))
    ]
    found = camt.read(file(entry("64.30", *parts, version=version), version=version))
    assert [each.amount for each in found] == [Decimal(n) for n in ("35.70", "14.30", "14.30")]
    assert [each.text for each in found] == ["INV-000001", "INV-000002", "INV-000003"]
    assert len({each.key for each in found}) == 3


def test_a_batch_that_does_not_add_up_is_one_line() -> None:
    parts = (transfer("INV-000001", amount="35.70"), transfer("INV-000002", amount="35.70"))
    (found,) = camt.read(file(entry("70.00", *parts)))
    assert found.amount == Decimal("70.00")
    assert found.text == "INV-000001\nINV-000002"


def test_a_structured_reference_and_charges_are_read() -> None:
    fees = '<Chrgs><Amt Ccy="EUR">1.50</Amt></Chrgs>'
    details = transfer("", structured="RF69INV000001", more=fees)
    (found,) = camt.read(file(entry("34.20", details)))
    assert (found.creditor_reference, found.charges) == ("RF69INV000001", Decimal("1.50"))


@pytest.mark.parametrize(
    ("inner", "outer"),
    [("<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>", ""), ("", "<RvslInd>true</RvslInd>")],
)
def test_what_the_bank_takes_back_is_a_return(inner: str, outer: str) -> None:
    details = transfer("INV-000001", more=inner)
    (found,) = camt.read(file(entry("35.70", details, way="DBIT", more=outer)))
    assert (found.amount, found.is_return, found.iban) == (Decimal("-35.70"), True, PAYER)


def test_a_file_may_hold_statements_of_several_days_and_accounts() -> None:
    other = "DE89370400440532013000"
    first, second = file(entry("1.00", reference="1")), file(entry("2.00"), account=other)
    start, end = second.index(b"<Stmt>"), second.index(b"</Stmt>") + len(b"</Stmt>")
    both = first.replace(b"</Stmt>", b"</Stmt>" + second[start:end])
    found = camt.read(both)
    assert [(each.account, each.amount) for each in found] == [
        (ACCOUNT, Decimal("1.00")),
        (other, Decimal("2.00")),
    ]


def test_a_payment_in_another_currency_is_what_the_account_got_for_it() -> None:
    """TxDtls tells what was sent, the entry what was booked."""
    sent = '<AmtDtls><TxAmt><Amt Ccy="USD">40.00</Amt></TxAmt></AmtDtls>'
    (found,) = camt.read(file(entry("35.70", transfer(more=sent))))
    assert (found.amount, found.currency) == (Decimal("35.70"), "EUR")
    parts = (transfer("INV-000001", more=sent), transfer("INV-000002", more=sent))
    (whole,) = camt.read(file(entry("71.40", *parts)))
    assert (whole.amount, whole.currency) == (Decimal("71.40"), "EUR")
    assert whole.text == "INV-000001\nINV-000002"


@pytest.mark.parametrize("written", ["NOTPROVIDED", "NONREF", "notprovided"])
def test_a_reference_that_stands_for_none_is_none(written: str) -> None:
    (found,) = camt.read(file(entry("1.00", transfer(end_to_end=written), reference=written)))
    assert (found.end_to_end, found.bank_reference) == ("", "")


def test_a_payment_without_any_reference_is_read() -> None:
    details = transfer("INV-000001").replace("<EndToEndId>NOTPROVIDED</EndToEndId>", "")
    (found,) = camt.read(file(entry("35.70", details, reference="")))
    assert (found.end_to_end, found.bank_reference, found.text) == ("", "", "INV-000001")


def test_the_reversal_of_what_went_out_comes_in_as_a_return() -> None:
    reversal = "<RvslInd>true</RvslInd>"
    (found,) = camt.read(file(entry("9.00", transfer("rent"), way="CRDT", more=reversal)))
    assert (found.amount, found.is_return) == (Decimal("9.00"), True)


def test_charges_in_records_are_added_up_and_others_currencies_are_not() -> None:
    fees = (
        '<Chrgs><Rcrd><Amt Ccy="EUR">1.50</Amt></Rcrd><Rcrd><Amt Ccy="EUR">0.25</Amt></Rcrd>'
        '<Rcrd><Amt Ccy="USD">9.00</Amt></Rcrd></Chrgs>'
    )
    (found,) = camt.read(file(entry("33.95", transfer(more=fees))))
    assert found.charges == Decimal("1.75")


def test_what_is_only_announced_is_left_out() -> None:
    assert not camt.read(file(entry("1.00", status="PDNG")))


def test_a_line_is_known_again_and_two_alike_stay_two() -> None:
    one = entry("10.00", transfer("INV-000001"), reference="")
    first, second, other = camt.read(file(one, one, entry("11.00", reference="")))
    assert len({first.key, second.key, other.key}) == 3
    assert camt.read(file(one))[0].key == first.key
    assert camt.read(file(one, account="DE89370400440532013000"))[0].key != first.key


def test_a_reference_that_stands_on_several_lines_does_not_make_them_one() -> None:
    found = camt.read(file(entry("10.00", reference="1"), entry("11.00", reference="1")))
    assert len({each.key for each in found}) == 2


_OPENING = '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02">'
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    f"{_OPENING}&b;</Document>"
)
THIEF = f'<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]>{_OPENING}&a;</Document>'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no XML", "not whole, well-formed XML"),
        (file(entry())[:-20], "not whole, well-formed XML"),
        (file(entry("1.00", transfer("Größe"))).decode().encode("latin-1"), "not whole"),
        (LAUGHS.encode(), "document type"),
        (LAUGHS.replace('"1.0"', '"1.0" encoding="UTF-16"').encode("utf-16"), "document type"),
        (THIEF.encode(), "document type"),
        (b"<html/>", "some other XML"),
        (file(entry()).replace(b"camt.053", b"camt.054"), "CAMT.054; only statements"),
        (file(entry(), version="04"), "versions 053.001.02 and 053.001.08"),
        (file().replace(b"Stmt>", b"Rpt>"), "no statement"),
        (file(entry(), account=""), "names no account"),
        (file(entry("-1.00")), "Entry 1 of the statement: “-1.00” is no amount."),
        (file(entry("1e9")), "is no amount"),
        (file(entry("NaN")), "is no amount"),
        (file(entry(currency="")), "no currency"),
        (file(entry(way="UP")), "neither a credit nor a debit"),
        (file(entry(day="2026-02-30")), "is no day"),
        (b"<a>" * 100_000 + b"</a>" * 100_000, "not whole, well-formed XML"),
    ],
)
def test_what_is_no_statement_is_refused_in_a_sentence(content: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words) as caught:
        camt.read(content)
    assert caught.value.field == "file"
