from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import currencies
from billing.services import pricing
from billing.services.pricing import Charge, Model, Tier

THREE = [["10", "1.00"], ["20", "0.50"], [None, "0.20"]]


def charge(model: str = "standard", tiers: Any = None, **more: Any) -> Charge:
    data = {"model": model, "tiers": [[None, "0.10"]] if tiers is None else tiers, **more}
    return pricing.charge_of(data)


@pytest.mark.parametrize(
    ("a_charge", "used", "lines"),
    [
        (charge(), "0", []),
        (charge(), "7", [("7", "0.10", "0.70")]),
        (charge(included=5), "5", []),
        (charge(included=5), "6", [("1", "0.10", "0.10")]),
        (charge(tiers=[[None, "0.0050"]]), "1", [("1", "0.0050", "0.01")]),  # an exact half
        (charge(tiers=[[None, "0.0049"]]), "1", [("1", "0.0049", "0.00")]),
        (charge(tiers=[[None, "0.0050"]]), "3", [("3", "0.0050", "0.02")]),
        (charge(tiers=[[None, "2.50"]], per=1_000_000), "3200000", [("3200000", "2.50", "8.00")]),
        (charge("graduated", THREE), "10", [("10", "1.00", "10.00")]),
        (charge("graduated", THREE), "11", [("10", "1.00", "10.00"), ("1", "0.50", "0.50")]),
        (
            charge("graduated", THREE),
            "25",
            [("10", "1.00", "10.00"), ("10", "0.50", "5.00"), ("5", "0.20", "1.00")],
        ),
        (charge("graduated", THREE, included=20), "25", [("5", "1.00", "5.00")]),
        (charge("volume", THREE), "10", [("10", "1.00", "10.00")]),
        (charge("volume", THREE), "11", [("11", "0.50", "5.50")]),
        (charge("volume", THREE), "20", [("20", "0.50", "10.00")]),
        (charge("volume", THREE), "21", [("21", "0.20", "4.20")]),
        (charge("package", [[None, "3"]], per=100), "1", [("1", "3", "3.00")]),
        (charge("package", [[None, "3"]], per=100), "100", [("1", "3", "3.00")]),
        (charge("package", [[None, "3"]], per=100), "101", [("2", "3", "6.00")]),
        (charge("package", [[None, "3"]], per=100, included=50), "151", [("2", "3", "6.00")]),
        (charge("package", [[None, "3"]], per=100), "0.000001", [("1", "3", "3.00")]),
    ],
)
def test_usage_costs(a_charge: Charge, used: str, lines: list[tuple[str, str, str]]) -> None:
    found = pricing.rate(a_charge, used=Decimal(used), exponent=2)
    assert [(str(each.quantity), str(each.price), str(each.net)) for each in found] == lines


@pytest.mark.parametrize(("exponent", "net"), [(0, "3"), (2, "2.50"), (3, "2.500")])
def test_lines_have_the_currencys_decimals(exponent: int, net: str) -> None:
    found = pricing.rate(charge(tiers=[[None, "0.5"]]), used=Decimal(5), exponent=exponent)
    assert [str(each.net) for each in found] == [net]


def test_what_is_included_can_be_told_for_a_part() -> None:
    found = pricing.rate(charge(included=30), used=Decimal(20), included=Decimal(15), exponent=2)
    assert [each.quantity for each in found] == [5]


_NUMBERS = st.decimals(min_value=0, max_value=10**6, places=6)
_PRICES = st.decimals(min_value=0, max_value=10**4, places=4)


@st.composite
def charges(draw: st.DrawFn) -> Charge:
    model = draw(st.sampled_from(Model))
    many = model in (Model.GRADUATED, Model.VOLUME)
    ends = sorted(draw(st.sets(st.integers(1, 10**6), max_size=4))) if many else []
    tiers = [Tier(Decimal(end), draw(_PRICES)) for end in ends]
    return Charge(
        model=model,
        tiers=(*tiers, Tier(None, draw(_PRICES))),
        base=Decimal(draw(st.sampled_from([1, 100, 1000, 1_000_000]))),
        included=draw(_NUMBERS),
    )


@given(a_charge=charges(), used=_NUMBERS, exponent=st.sampled_from([0, 2, 3]))
def test_each_line_is_quantity_by_price(a_charge: Charge, used: Decimal, exponent: int) -> None:
    lines = pricing.rate(a_charge, used=used, exponent=exponent)
    for line in lines:
        assert line.net == currencies.divided(line.price, line.quantity, line.base, exponent)
        assert line.net == line.net.quantize(Decimal(1).scaleb(-exponent))
        assert line.quantity > 0
        assert line.net >= 0
    if a_charge.model != Model.PACKAGE:
        assert sum(line.quantity for line in lines) == max(used - a_charge.included, 0)


@given(a_charge=charges(), used=_NUMBERS, more=_NUMBERS)
def test_more_usage_never_costs_less_but_by_volume(
    a_charge: Charge, used: Decimal, more: Decimal
) -> None:
    if a_charge.model == Model.VOLUME:
        a_charge = Charge(Model.GRADUATED, a_charge.tiers, a_charge.base, a_charge.included)
    before = pricing.rate(a_charge, used=used, exponent=2)
    after = pricing.rate(a_charge, used=used + more, exponent=2)
    assert pricing.total(after) >= pricing.total(before)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"model": "cheap"}, "is no model"),
        ({"tiers": []}, "1 to 20 tiers"),
        ({"tiers": [[10, 1]]}, "the last one has no end"),
        ({"tiers": "x"}, "as pairs"),
        ({"tiers": [[1, 2, 3]]}, "as pairs"),
        ({"model": "graduated", "tiers": [[10, 1], [10, 1], [None, 1]]}, "ends above the one"),
        ({"model": "graduated", "tiers": [[None, 1], [None, 1]]}, "only the last has no end"),
        ({"tiers": [[10, 1], [None, 1]]}, "has one price"),
        ({"model": "package", "tiers": [[10, 1], [None, 1]]}, "has one price"),
        ({"tiers": [[None, -1]]}, "not negative"),
        ({"tiers": [[None, "NaN"]]}, "not negative"),
        ({"tiers": [[None, "0.00001"]]}, "at most 4 decimals"),
        ({"tiers": [[None, "much"]]}, "is not a number"),
        ({"tiers": [[None, True]]}, "is not a number"),
        ({"model": "graduated", "tiers": [[0, 1], [None, 1]]}, "above 0"),
        ({"per": 0}, "above 0"),
        ({"included": -1}, "not negative"),
    ],
)
def test_a_charge_that_makes_no_sense_is_refused(data: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        charge(**data)


@pytest.mark.parametrize("used", ["-1", "NaN", "Infinity"])
def test_usage_is_not_negative(used: str) -> None:
    with pytest.raises(ValueError, match="not negative"):
        pricing.rate(charge(), used=Decimal(used), exponent=2)
