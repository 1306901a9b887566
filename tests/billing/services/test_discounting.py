from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.services import discounting
from billing.services.discounting import Discount, Kind


@pytest.mark.parametrize(
    ("discounts", "net", "off"),
    [
        ([("percent", "10")], "50.00", ["5.00"]),
        ([("percent", "10")], "0.05", ["0.01"]),  # an exact half
        ([("percent", "100")], "50.00", ["50.00"]),
        ([("amount", "5")], "50.00", ["5.00"]),
        ([("amount", "60")], "50.00", ["50.00"]),
        ([("amount", "40"), ("percent", "50")], "50.00", ["25.00", "25.00"]),
        ([("percent", "60"), ("percent", "60")], "10.00", ["6.00", "4.00"]),
        ([("amount", "5")], "0", ["0"]),
        ([("amount", "5")], "-3.00", ["0"]),
        ([], "10.00", []),
    ],
)
def test_discounts_take_off(discounts: list[tuple[str, str]], net: str, off: list[str]) -> None:
    given_ = [Discount(Kind(kind), Decimal(value)) for kind, value in discounts]
    assert discounting.taken_off(given_, net=Decimal(net), exponent=2) == tuple(
        Decimal(each) for each in off
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(Kind), st.decimals(min_value="0.01", max_value=100, places=2))
    ),
    st.decimals(min_value=0, max_value=1000, places=2),
)
def test_they_never_take_more_than_there_is(
    values: list[tuple[Kind, Decimal]], net: Decimal
) -> None:
    off = discounting.taken_off([Discount(*each) for each in values], net=net, exponent=2)
    assert all(each >= 0 for each in off)
    assert sum(off) <= net


@pytest.mark.parametrize(
    ("kind", "value"), [("percent", "101"), ("percent", "0"), ("amount", "-1")]
)
def test_a_discount_is_more_than_nothing_and_at_most_all(kind: str, value: str) -> None:
    with pytest.raises(ValueError, match="discount"):
        Discount(Kind(kind), Decimal(value))
