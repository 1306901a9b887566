"""Statements are imported once a line; what is no statement changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from billing.bank.table import Layout
from billing.models import BankLine, BankStatement
from billing.services.paying import bank_statements
from tenants.errors import Refused
from tenants.models import AuditEvent
from tests.billing.bank.samples import ACCOUNT, camt, entry, transfer
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
NOW = at("2026-02-11")
LAYOUT = Layout(account=ACCOUNT, currency="EUR")


def import_(content: bytes, layout: Layout | None = None) -> BankStatement:
    return bank_statements.import_file(
        name="february.xml", content=content, layout=layout, actor=ACTOR, now=NOW
    )


def test_the_same_file_twice_brings_nothing_new() -> None:
    content = camt(entry(), entry("14.30", reference="2"), entry("9.00", way="DBIT", reference="3"))
    assert import_(content).new_lines == 3
    again = import_(content)
    assert (again.lines_in_it, again.new_lines) == (3, 0)
    assert BankLine.objects.count() == 3
    told = AuditEvent.objects.filter(action="bank_statement.imported").order_by("sequence")
    assert [each.after["new"] for each in told] == [3, 0]


def test_an_overlapping_file_brings_what_is_new() -> None:
    import_(camt(entry(reference="1"), entry(reference="2")))
    assert import_(camt(entry(reference="2"), entry(reference="3"))).new_lines == 1


def test_without_references_payments_that_are_alike_stay_as_many_as_they_are() -> None:
    one = entry("5.00", transfer("gift"), reference="")
    assert import_(camt(one, one)).new_lines == 2
    assert import_(camt(one, one, one)).new_lines == 1


def test_what_went_out_is_set_aside_and_returns_are_not() -> None:
    reason = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"
    import_(
        camt(
            entry("800.00", transfer("rent", side="Cdtr"), way="DBIT", reference="1"),
            entry("35.70", transfer(more=reason), way="DBIT", reference="2"),
            entry("0.00", reference="3"),
        )
    )
    states = BankLine.objects.order_by("position").values_list("state", "reason")
    assert list(states) == [
        ("aside", "Money that went out"),
        ("open", ""),
        ("aside", "No money moved"),
    ]


def test_a_table_is_imported_with_its_layout() -> None:
    content = b"Datum;Betrag;Verwendungszweck\n10.02.2026;35,70;INV-000001\n"
    assert import_(content, LAYOUT).layout["account"] == ACCOUNT
    assert BankLine.objects.get().text == "INV-000001"


@pytest.mark.parametrize(
    ("content", "layout", "field", "words"),
    [
        (b"", None, "file", "empty"),
        (b"<a/>", None, "file", "some other XML"),
        (camt(), None, "file", "no booked line"),
        (camt(entry(), entry("x")), None, "file", "Entry 2"),
        (camt(entry("1.2345")), None, "file", "is no amount"),
        (b" " * (bank_statements.LARGEST + 1), None, "file", "more than 10 MB"),
        ("Datum;Betrag\n10.02.2026;1,00\nä".encode("cp1252"), LAYOUT, "encoding", "not in UTF-8"),
        (b"Datum;Betrag\n10.02.2026;1,00\n10.02.2026;x\n", LAYOUT, "has_comma", "Row 3"),
        (
            b"Datum;Betrag\n10.02.2026;1.234\n",  # of a bank that writes thousands so
            replace(LAYOUT, has_comma=False),
            "file",
            "“1.234” of 2026-02-10 is no amount in EUR, which has 2 decimals",
        ),
        (camt(entry("35.701")), None, "file", "is no amount in EUR"),
        (
            b"Datum;Betrag\n10.02.2026;1,00\n",
            replace(LAYOUT, currency="€"),
            "currency",
            "is no currency",
        ),
    ],
)
def test_a_bad_file_is_refused_and_changes_nothing(
    content: bytes, layout: Layout | None, field: str, words: str
) -> None:
    with pytest.raises(Refused, match=words) as caught:
        import_(content, layout)
    assert caught.value.field == field
    assert not BankStatement.objects.exists()
    assert not BankLine.objects.exists()
    assert not AuditEvent.objects.exists()
