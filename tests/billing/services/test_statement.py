from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.services import pricing, statement
from billing.services.periods import Days
from billing.services.statement import Spell, Stretch, Terms

APRIL = Days(date(2026, 4, 1), date(2026, 5, 1))
BEFORE, AFTER = date(2026, 3, 1), date(2026, 6, 1)
DAY = timedelta(days=1)
CALLS = pricing.charge_of({"model": "standard", "tiers": [[None, "0.10"]], "included": 100})
SMALL = Terms("small", "Small", Decimal("30.00"), charges={"calls": CALLS})
LARGE = Terms("large", "Large", Decimal("90.00"))
TERMS = {"small": SMALL, "large": LARGE}


def stretches(spells: list[Spell], **more: Any) -> list[Stretch]:
    values = {
        "billed": APRIL,
        "charged_from": BEFORE,
        "charges_suspended": False,
        "price_on": lambda plan, _: TERMS[plan],
    }
    return statement.stretches(spells, **{**values, **more})


def recurring(spells: list[Spell], **more: Any) -> list[tuple[str, object, object]]:
    found = statement.recurring(stretches(spells, **more), whole=APRIL, exponent=2)
    return [(item.name, item.quantity, item.net) for item in found]


def cut(days: list[int]) -> list[date]:
    return [APRIL.first + DAY * each for each in days]


def test_a_whole_period_is_its_price_once() -> None:
    assert recurring([Spell("small", BEFORE, None)]) == [("Small", 1, Decimal("30.00"))]


@given(st.sets(st.integers(min_value=1, max_value=29)))
def test_halves_of_a_period_cost_what_it_costs_as_a_whole(cuts: set[int]) -> None:
    edges = [BEFORE, *cut(sorted(cuts)), AFTER]
    spells = [Spell("small", first, end) for first, end in pairwise(edges)]
    assert recurring(spells) == [("Small", 1, Decimal("30.00"))]


@pytest.mark.parametrize(
    ("changes", "charged"),
    [
        ([], [("Small", 1, "30.00")]),
        ([0], [("Large", 1, "90.00")]),  # on the first day: the new plan's whole price
        ([1], [("Small", 1, "1.00"), ("Large", 29, "87.00")]),
        ([29], [("Small", 29, "29.00"), ("Large", 1, "3.00")]),  # on the last day
        ([30], [("Small", 1, "30.00")]),  # on the first day of the next period
        ([10, 20], [("Small", 20, "20.00"), ("Large", 10, "30.00")]),  # there and back
        ([0, 29], [("Large", 29, "87.00"), ("Small", 1, "1.00")]),
        ([5, 6, 7, 8, 9], [("Small", 7, "7.00"), ("Large", 23, "69.00")]),
    ],
)
def test_changes_of_plan_are_prorated_both_ways(
    changes: list[int], charged: list[tuple[str, int, str]]
) -> None:
    edges = [BEFORE, *cut(changes), AFTER]
    spells = [
        Spell(("small", "large")[number % 2], first, end)
        for number, (first, end) in enumerate(pairwise(edges))
    ]
    assert recurring(spells) == [(name, count, Decimal(net)) for name, count, net in charged]


@given(
    edges=st.sets(st.integers(min_value=-40, max_value=70), min_size=2, max_size=8),
    plans=st.lists(st.sampled_from(["small", "large"]), min_size=8, max_size=8),
    suspended=st.lists(st.booleans(), min_size=8, max_size=8),
    trial=st.integers(min_value=-10, max_value=40),
)
def test_nothing_is_charged_outside_a_period(
    edges: set[int], plans: list[str], suspended: list[bool], trial: int
) -> None:
    days = cut(sorted(edges))
    spells = [
        Spell(plan, first, end, is_off)
        for (first, end), plan, is_off in zip(pairwise(days), plans, suspended, strict=False)
    ]
    begin = APRIL.first + DAY * trial
    found = stretches(spells, charged_from=begin)
    charged = [
        span.first + DAY * n for each in found for span in each.spans for n in range(span.count)
    ]
    wanted = {
        day
        for spell in spells
        for day in (APRIL.first + DAY * n for n in range(30))
        if spell.first <= day < (spell.end or AFTER) and day >= begin and not spell.is_suspended
    }
    assert sorted(charged) == sorted(wanted)  # each of them once
    total = sum(item.net for item in statement.recurring(found, whole=APRIL, exponent=2))
    assert 0 <= total <= LARGE.amount


def test_a_plan_keeps_its_price_through_a_suspension() -> None:
    asked: list[date] = []

    def price_on(plan: str, day: date) -> Terms:
        asked.append(day)
        return TERMS[plan]

    first, second = cut([10, 20])
    spells = [
        Spell("small", BEFORE, first),
        Spell("small", first, second, is_suspended=True),
        Spell("small", second, None),
    ]
    assert recurring(spells, price_on=price_on) == [("Small", 20, Decimal("20.00"))]
    assert asked == [APRIL.first]


def test_a_trial_is_left_out() -> None:
    (begin,) = cut([14])
    assert recurring([Spell("small", APRIL.first, None)], charged_from=begin) == [
        ("Small", 16, Decimal("16.00"))
    ]


def test_included_usage_is_as_long_as_the_days() -> None:
    (half,) = cut([15])
    parts = stretches([Spell("small", BEFORE, half)])
    items = statement.usage(
        parts,
        [{"calls": Decimal(80)}],
        whole=APRIL,
        exponent=2,
        titles={"calls": "Calls"},
    )
    (item,) = items
    assert (item.name, item.quantity, item.net) == ("Calls", Decimal(30), Decimal("3.00"))
    assert item.description == "80 used, 50 included"
    assert item.basis["spans"] == [[APRIL.first, half]]


def test_what_is_free_is_no_line() -> None:
    free = Terms("free", "Free", Decimal(0))
    assert recurring([Spell("free", BEFORE, None)], price_on=lambda *_: free) == []
    assert list(statement.setup(free, day=APRIL.first, exponent=2)) == []
