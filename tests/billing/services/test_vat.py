from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from billing.services import vat
from billing.services.vat import Number, Rule

ON = date(2026, 3, 31)


@pytest.mark.parametrize(
    ("seller", "buyer", "number", "rule", "category", "rate"),
    [
        ("DE", "DE", "none", "domestic", "S", "19"),
        ("DE", "DE", "valid", "domestic", "S", "19"),
        ("DE", "DE", "pending", "domestic", "S", "19"),
        ("AT", "AT", "none", "domestic", "S", "20"),
        ("DE", "AT", "valid", "reverse_charge", "AE", "0"),
        ("DE", "FR", "none", "eu_consumer", "S", "20"),
        ("DE", "FI", "none", "eu_consumer", "S", "25.5"),
        ("DE", "FR", "invalid", "eu_consumer", "S", "20"),
        ("DE", "CH", "none", "export", "G", "0"),
        ("DE", "GB", "unchecked", "export", "G", "0"),
        ("DE", "US", "none", "export", "G", "0"),
        ("CH", "DE", "valid", "export", "G", "0"),
    ],
)
def test_vat_is_decided(
    seller: str, buyer: str, number: str, rule: str, category: str, rate: str
) -> None:
    found = vat.decide(
        seller=seller, buyer=buyer, number=Number(number), on=ON, rates=vat.known_rates()
    )
    assert (found.rule, found.category, found.rate) == (rule, category, Decimal(rate))
    assert bool(found.reason) == bool(found.reason_code) == (category != "S")


@pytest.mark.parametrize(
    ("country", "on", "rate"),
    [
        ("DE", date(2020, 6, 30), "19"),
        ("DE", date(2020, 7, 1), "16"),
        ("DE", date(2020, 12, 31), "16"),
        ("DE", date(2021, 1, 1), "19"),
        ("EE", date(2025, 6, 30), "22"),
        ("EE", date(2025, 7, 1), "24"),
        ("RO", date(2025, 8, 1), "21"),
        ("SK", date(2024, 12, 31), "20"),
    ],
)
def test_rates_are_those_of_the_day(country: str, on: date, rate: str) -> None:
    assert vat.rate_on(vat.known_rates(), country, on) == Decimal(rate)


def test_every_country_of_the_eu_has_a_rate() -> None:
    assert set(vat.known_rates()) == vat.EU
    for country in vat.EU:
        assert 15 <= vat.rate_on(vat.known_rates(), country, ON) <= 27


def test_it_waits_for_a_number_that_is_not_confirmed() -> None:
    with pytest.raises(vat.Undecided, match="not been confirmed"):
        vat.decide(seller="DE", buyer="AT", number=Number.PENDING, on=ON, rates=vat.known_rates())


def test_it_says_where_no_rate_is_known() -> None:
    with pytest.raises(vat.Undecided, match="No VAT rate is known for CH"):
        vat.decide(seller="CH", buyer="CH", number=Number.NONE, on=ON, rates=vat.known_rates())


def test_each_rule_has_a_case() -> None:
    assert {each.value for each in Rule} == {
        "domestic", "reverse_charge", "eu_consumer", "export"
    }  # fmt: skip
