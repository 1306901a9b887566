from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.services import totals
from billing.services.totals import Taxed


@pytest.mark.parametrize(
    ("lines", "exponent", "sums"),
    [
        # VAT is of the sum, not of each line: 3 x 0.02 would be 0.06.
        ([("0.10", "S", "19")] * 3, 2, ("0.30", "0.06", "0.36")),
        ([("0.13", "S", "19")] * 3, 2, ("0.39", "0.07", "0.46")),
        # Each rate on its own, then added up: 0.01 and 0.01, where 0.015 in one would be 0.02.
        ([("0.05", "S", "19"), ("0.05", "S", "10")], 2, ("0.10", "0.02", "0.12")),
        ([("2.50", "S", "21")], 2, ("2.50", "0.53", "3.03")),  # an exact half
        ([("10.00", "AE", "0")], 2, ("10.00", "0.00", "10.00")),
        ([("1005", "S", "10")], 0, ("1005", "101", "1106")),
        ([("1.005", "S", "10")], 3, ("1.005", "0.101", "1.106")),
        ([("10.00", "S", "19"), ("-2.50", "S", "19")], 2, ("7.50", "1.43", "8.93")),
    ],
)
def test_the_sums_are_of_what_was_rounded(
    lines: list[tuple[str, str, str]], exponent: int, sums: tuple[str, str, str]
) -> None:
    found = totals.of_lines(
        (Taxed(Decimal(n), c, Decimal(r)) for n, c, r in lines), exponent=exponent
    )
    assert (str(found.net), str(found.vat), str(found.gross)) == sums


@given(
    st.lists(
        st.tuples(
            st.decimals(min_value=0, max_value=10**6, places=2),
            st.sampled_from(
                [("S", Decimal(19)), ("S", Decimal(7)), ("S", Decimal("25.5")), ("AE", Decimal(0))]
            ),
        ),
        max_size=30,
    )
)
def test_totals_add_up(lines: list[tuple[Decimal, tuple[str, Decimal]]]) -> None:
    found = totals.of_lines((Taxed(net, *kind) for net, kind in lines), exponent=2)
    assert found.net == sum((net for net, _ in lines), Decimal(0))
    assert found.vat == sum((tax.amount for tax in found.taxes), Decimal(0))
    assert found.gross == found.net + found.vat
    for tax in found.taxes:
        assert abs(tax.amount - tax.basis * tax.rate / 100) <= Decimal("0.005")
