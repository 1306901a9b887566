"""Whose money it is: each rule as a row of a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from billing.bank import matching
from billing.bank.matching import Arrival, Certainty, Owed, Proposal

SERIES = {"INV", "CN-12"}
ACME_1 = Owed("INV-000001", "acme", "Acme GmbH", "EUR", Decimal("35.70"), date(2026, 2, 15))
ACME_2 = replace(ACME_1, number="INV-000002", open=Decimal("14.30"), due_on=date(2026, 1, 15))
GLOBEX = replace(ACME_1, number="INV-000012", client="globex", buyer="Globex AG", open=Decimal(99))
DOLLARS = replace(ACME_1, number="INV-000020", currency="USD")
PAID = replace(ACME_1, number="INV-000030", open=Decimal(0))
ALL = (ACME_1, ACME_2, GLOBEX, DOLLARS, PAID)
IBANS = {"DE1": "acme", "DE2": "globex"}


def propose(amount: str, text: str = "", **more: str) -> Proposal:
    arrival = Arrival(Decimal(amount), more.pop("currency", "EUR"), text=text, **more)
    return matching.propose(arrival, owed=ALL, series=SERIES, known_ibans=IBANS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("INV-000001", {"INV-000001"}),
        ("inv 1", {"INV-000001"}),
        ("Invoice INV000001/INV-000002 of May", {"INV-000001", "INV-000002"}),
        ("I N V-000001", {"INV-000001"}),
        ("IN\nV-000001", {"INV-000001"}),
        ("INV-0000012", {"INV-000012"}),
        ("BINV-000001", set()),
        ("CN-12-000034", {"CN-12-000034"}),
        ("INV-" + "9" * 19, set()),
        ("nothing", set()),
    ],
)
def test_numbers_are_found_however_they_are_written(text: str, found: set[str]) -> None:
    arrival = Arrival(Decimal(1), "EUR", text=text)
    assert matching.numbers_in(arrival, SERIES) == found


def test_a_creditor_reference_ends_with_the_number() -> None:
    arrival = Arrival(Decimal(1), "EUR", creditor_reference="RF69INV000001")
    assert matching.numbers_in(arrival, SERIES) == {"INV-000001"}


@pytest.mark.parametrize(
    ("proposal", "certainty", "client", "parts", "surplus"),
    [
        (propose("35.70", "INV-000001"), "sure", "acme", {"01": "35.70"}, "0"),
        (propose("50.00", "INV-1 INV-2"), "sure", "acme", {"02": "14.30", "01": "35.70"}, "0"),
        (propose("20.00", "INV-1"), "guess", "acme", {"01": "20.00"}, "0"),
        (propose("20.00", "INV-1 INV-2"), "guess", "acme", {"02": "14.30", "01": "5.70"}, "0"),
        (propose("40.00", "INV-1"), "guess", "acme", {"01": "35.70"}, "4.30"),
        (propose("35.70", "INV-30"), "guess", "acme", {}, "35.70"),
        (propose("35.70", "INV-1", iban="DE2"), "guess", "acme", {"01": "35.70"}, "0"),
        (propose("35.70", "INV-1", iban="DE1"), "sure", "acme", {"01": "35.70"}, "0"),
        (propose("35.70", "INV-1", currency="USD"), "none", "", {}, "0"),
        (propose("134.70", "INV-1 INV-12"), "none", "", {}, "0"),
        (propose("35.70", iban="DE1"), "guess", "acme", {"01": "35.70"}, "0"),
        (propose("60.00", iban="DE1"), "guess", "acme", {"02": "14.30", "01": "35.70"}, "10.00"),
        (propose("5.00", iban="DE1", currency="CHF"), "guess", "acme", {}, "5.00"),
        (propose("35.70", name="ACME, GmbH"), "guess", "acme", {"01": "35.70"}, "0"),
        (propose("35.71", name="Acme GmbH"), "none", "", {}, "0"),
        (propose("99.00", name="Somebody"), "guess", "globex", {"12": "99.00"}, "0"),
        (propose("1.00", name="Somebody"), "none", "", {}, "0"),
    ],
)
def test_rules(
    proposal: Proposal, certainty: str, client: str, parts: dict[str, str], surplus: str
) -> None:
    assert proposal.certainty == Certainty(certainty)
    shares = {number[-2:]: str(amount) for number, amount in proposal.shares}
    assert (proposal.client, shares) == (client, parts)
    assert proposal.surplus == Decimal(surplus)
    assert proposal.why.endswith(".")
