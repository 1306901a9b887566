from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.services import proration


@pytest.mark.parametrize(
    ("amount", "days", "of", "exponent", "charged"),
    [
        ("30.00", 30, 30, 2, "30.00"),
        ("30.00", 1, 30, 2, "1.00"),
        ("30.00", 0, 30, 2, "0.00"),
        ("10.00", 10, 30, 2, "3.33"),
        ("10.00", 20, 30, 2, "6.67"),
        ("30.00", 5, 31, 2, "4.84"),
        ("0.05", 15, 30, 2, "0.03"),  # an exact half goes up
        ("0.01", 14, 30, 2, "0.00"),
        ("0.01", 15, 30, 2, "0.01"),
        ("99.00", 17, 28, 2, "60.11"),
        ("1200.00", 100, 365, 2, "328.77"),
        ("1200.00", 100, 366, 2, "327.87"),
        ("1000", 7, 30, 0, "233"),  # yen have no decimals
        ("5", 15, 30, 0, "3"),
        ("10.000", 10, 30, 3, "3.333"),  # dinars have three
        ("0.005", 15, 30, 3, "0.003"),
        ("0", 7, 30, 2, "0.00"),
    ],
)
def test_a_part_costs_its_share(
    amount: str, days: int, of: int, exponent: int, charged: str
) -> None:
    found = proration.portion(Decimal(amount), days=days, of=of, exponent=exponent)
    assert str(found) == charged


@given(
    amount=st.decimals(min_value=0, max_value=10**9, places=3),
    days=st.integers(min_value=0, max_value=366),
    exponent=st.sampled_from([0, 2, 3]),
)
def test_it_is_within_half_a_unit_of_the_exact_share(
    amount: Decimal, days: int, exponent: int
) -> None:
    charged = proration.portion(amount, days=days, of=366, exponent=exponent)
    rest = proration.portion(amount, days=366 - days, of=366, exponent=exponent)
    unit = Decimal(1).scaleb(-exponent)
    assert abs(charged * 366 - amount * days) <= 366 * unit / 2
    assert abs(charged + rest - amount) <= unit


@pytest.mark.parametrize(
    ("quantity", "days", "included"),
    [("1000", 30, "1000"), ("1000", 15, "500"), ("1000", 1, "33"), ("1.5", 15, "0.750000")],
)
def test_a_part_includes_its_share(quantity: str, days: int, included: str) -> None:
    assert str(proration.included(Decimal(quantity), days=days, of=30)) == included


@pytest.mark.parametrize(
    ("quantity", "days", "included"), [("1", 10, "0.333333"), ("1000", 10, "333.333333")]
)
def test_of_a_level_a_part_includes_its_exact_share(
    quantity: str, days: int, included: str
) -> None:
    found = proration.included(Decimal(quantity), days=days, of=30, is_level=True)
    assert str(found) == included


@pytest.mark.parametrize(("days", "of"), [(31, 30), (-1, 30), (0, 0)])
def test_a_part_is_inside_its_period(days: int, of: int) -> None:
    with pytest.raises(ValueError, match="not a part"):
        proration.portion(Decimal(1), days=days, of=of, exponent=2)


def test_a_price_is_not_negative() -> None:
    with pytest.raises(ValueError, match="not negative"):
        proration.portion(Decimal(-1), days=1, of=30, exponent=2)
