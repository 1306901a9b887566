"""How a server's cost is shared out: as a table, and that nothing is lost."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.services.periods import Days
from billing.services.reporting.sharing import Cost, Reserved, Shared, share_out

JUNE = Days(date(2026, 6, 1), date(2026, 7, 1))
WEIGHTS = (Decimal(40), Decimal(40), Decimal(20))
HAS = (Decimal(16), Decimal(16384), Decimal(500))


def days(first: int, end: int) -> Days:
    """From that day of June on, before the other; 31 is 1 July."""
    begin = date(2026, 6, 1)
    return Days(begin + timedelta(days=first - 1), begin + timedelta(days=end - 1))


def cost(amount: str, first: int = 1, end: int = 31) -> Cost:
    return Cost(days(first, end), Decimal(amount), WEIGHTS)


def reserved(
    key: str, cpus: str, memory: int, disk: int, first: int = 1, end: int = 31
) -> Reserved:
    return Reserved(key, days(first, end), (Decimal(cpus), Decimal(memory), Decimal(disk)))


def shared(costs: list[Cost], rows: list[Reserved], exponent: int = 2) -> Shared:
    return share_out(costs, rows, has=HAS, month=JUNE, exponent=exponent)


def test_each_bears_what_it_has_reserved_and_the_rest_is_nobody_s() -> None:
    # a quarter of the CPU, an eighth of memory, a tenth of the disk: 10 + 5 + 2
    found = shared([cost("100")], [reserved("a", "4", 2048, 50)])
    assert found == Shared(Decimal("100.00"), {"a": Decimal("17.00")}, Decimal("83.00"))


def test_days_count() -> None:
    found = shared([cost("100")], [reserved("a", "4", 2048, 50, 1, 16)])
    assert found.shares == {"a": Decimal("8.50")}
    # The cost doubles in the middle; before its first day there is none.
    found = shared([cost("100", 1, 16), cost("200", 16)], [reserved("a", "16", 16384, 500)])
    assert found == Shared(Decimal("150.00"), {"a": Decimal("150.00")}, Decimal("0.00"))
    found = shared([cost("100", 16)], [reserved("a", "16", 16384, 500)])
    assert found.cost == Decimal("50.00")


def test_a_change_of_plan_counts_from_its_day_on() -> None:
    rows = [reserved("a", "4", 2048, 50, 1, 16), reserved("a", "8", 4096, 100, 16)]
    assert shared([cost("100")], rows).shares == {"a": Decimal("25.50")}


def test_more_than_there_is_is_shared_among_those_that_have_it() -> None:
    rows = [reserved("a", "16", 8192, 250), reserved("b", "16", 8192, 250)]
    found = shared([cost("100")], rows)
    assert found.shares == {"a": Decimal("50.00"), "b": Decimal("50.00")}
    assert found.unused == 0


def test_nobody_and_nothing() -> None:
    assert shared([cost("100")], []) == Shared(Decimal("100.00"), {}, Decimal("100.00"))
    found = shared([], [reserved("a", "4", 2048, 50)])
    assert found == Shared(Decimal("0.00"), {"a": Decimal("0.00")}, Decimal("0.00"))


_DAYS = st.tuples(st.integers(1, 30), st.integers(1, 30)).map(
    lambda pair: (min(pair), max(pair) + 1)
)


@pytest.mark.parametrize("exponent", [0, 2, 3])
@given(
    amount=st.decimals(min_value=0, max_value=9999, places=2),
    wanted=st.lists(
        st.tuples(st.integers(1, 40), st.integers(64, 32768), st.integers(1, 900), _DAYS),
        max_size=8,
    ),
)
def test_the_shares_and_the_rest_are_the_cost(
    exponent: int, amount: Decimal, wanted: list[tuple[int, int, int, tuple[int, int]]]
) -> None:
    rows = [
        reserved(str(n), str(cpus), memory, disk, *span)
        for n, (cpus, memory, disk, span) in enumerate(wanted)
    ]
    found = share_out([cost(str(amount))], rows, has=HAS, month=JUNE, exponent=exponent)
    assert sum(found.shares.values(), Decimal(0)) + found.unused == found.cost
    unit = Decimal(1).scaleb(-exponent)
    assert found.unused >= -unit
    assert all(share >= 0 for share in found.shares.values())
