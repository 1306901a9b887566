"""What recurring revenue is on a day, and what its movements are, as tables and properties."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.services.periods import Interval
from billing.services.reporting import mrr
from billing.services.reporting.mrr import Movements, Running
from billing.services.statement import Spell, Terms

JAN = date(2026, 1, 1)


def spell(plan: str, first: str, end: str = "", *, suspended: bool = False) -> Spell:
    last = date.fromisoformat(end) if end else None
    return Spell(plan, date.fromisoformat(first), last, suspended)


def price_on(plan: str, day: date) -> Terms | None:
    """Small costs 30 and from 15 April 36, large 100; trial is small with 14 days for nothing."""
    match plan:
        case "small":
            amount = "30" if day < date(2026, 4, 15) else "36"
            return Terms(key=plan, plan=plan, amount=Decimal(amount))
        case "large":
            return Terms(key=plan, plan=plan, amount=Decimal(100))
        case "trial":
            return Terms(key=plan, plan=plan, amount=Decimal(30), trial_days=14)
    return None


def amount(spells: list[Spell], day: str, **more: Any) -> str:
    charges = more.pop("charges_suspended", False)
    running = Running(spells, **{"anchor": JAN, "interval": Interval.MONTH, "exponent": 2, **more})
    on = date.fromisoformat(day)
    found = mrr.on_day(running, on, charges_suspended=charges, price_on=price_on)
    return f"{found:f}"


@pytest.mark.parametrize(
    ("spells", "day", "more", "expected"),
    [
        # before its first day, on it, on its last day, on the day after
        ([spell("small", "2026-01-10", "2026-02-21")], "2026-01-09", {}, "0"),
        ([spell("small", "2026-01-10", "2026-02-21")], "2026-01-10", {}, "30.00"),
        ([spell("small", "2026-01-10", "2026-02-21")], "2026-02-20", {}, "30.00"),
        ([spell("small", "2026-01-10", "2026-02-21")], "2026-02-21", {}, "0"),
        # in its trial, and after it
        ([spell("trial", "2026-01-10")], "2026-01-23", {}, "0"),
        ([spell("trial", "2026-01-10")], "2026-01-24", {}, "30.00"),
        # a quarter's and a year's price, by the month; yen have no decimals
        ([spell("large", "2026-01-01")], "2026-02-28", {"interval": Interval.QUARTER}, "33.33"),
        ([spell("large", "2026-01-01")], "2026-02-28", {"interval": Interval.YEAR}, "8.33"),
        (
            [spell("large", "2026-01-01")],
            "2026-02-28",
            {"interval": Interval.QUARTER, "exponent": 0},
            "33",
        ),
        # a new version counts from the period after it on, which the anchor cuts
        ([spell("small", "2026-01-01")], "2026-04-30", {}, "30.00"),
        ([spell("small", "2026-01-01")], "2026-05-01", {}, "36.00"),
        ([spell("small", "2026-01-20")], "2026-04-30", {"anchor": date(2026, 1, 20)}, "36.00"),
        # a change of plan counts from its day on, at the price of that day
        ([spell("small", "2026-01-01", "2026-03-31"), spell("large", "2026-03-31")], *(
            "2026-03-30", {}, "30.00")),
        ([spell("small", "2026-01-01", "2026-03-31"), spell("large", "2026-03-31")], *(
            "2026-03-31", {}, "100.00")),
        ([spell("large", "2026-01-01", "2026-04-20"), spell("small", "2026-04-20")], *(
            "2026-04-30", {}, "36.00")),
        # suspended it brings nothing, unless the seller charges for that; its price is the period's
        ([spell("small", "2026-01-01", "2026-04-20"), spell("small", "2026-04-20", suspended=True)],
         "2026-04-30", {}, "0"),
        ([spell("small", "2026-01-01", "2026-04-20"), spell("small", "2026-04-20", suspended=True)],
         "2026-04-30", {"charges_suspended": True}, "30.00"),
        # no price
        ([spell("free", "2026-01-01")], "2026-04-30", {}, "0"),
    ],
)  # fmt: skip
def test_what_a_subscription_brings_a_month(
    spells: list[Spell], day: str, more: dict[str, Any], expected: str
) -> None:
    assert amount(spells, day, **more) == expected


@pytest.mark.parametrize(
    ("before", "after", "known", "expected"),
    [
        ({}, {"a": 30}, (), Movements(new=Decimal(30))),
        ({}, {"a": 30}, ("a",), Movements(reactivation=Decimal(30))),
        ({"a": 30}, {"a": 60}, ("a",), Movements(expansion=Decimal(30))),
        ({"a": 60}, {"a": 30}, ("a",), Movements(contraction=Decimal(-30))),
        ({"a": 60}, {}, ("a",), Movements(churn=Decimal(-60))),
        ({"a": 60}, {"a": 60}, ("a",), Movements()),
        (
            {"a": 60, "b": 10},
            {"a": 70, "c": 5},
            ("a", "b"),
            Movements(new=Decimal(5), expansion=Decimal(10), churn=Decimal(-10)),
        ),
    ],
)
def test_why_it_moves(
    before: dict[str, int], after: dict[str, int], known: tuple[str, ...], expected: Movements
) -> None:
    found = mrr.movements(
        {key: Decimal(value) for key, value in before.items()},
        {key: Decimal(value) for key, value in after.items()},
        known=known,
    )
    assert found == expected


@given(
    ends=st.lists(
        st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 500).map(Decimal)), max_size=8
    )
)
def test_movements_are_the_difference_and_nobody_is_new_twice(
    ends: list[dict[str, Decimal]],
) -> None:
    before: dict[str, Decimal] = {}
    known: set[str] = set()
    gained = Decimal(0)
    for after in ends:
        moves = mrr.movements(before, after, known=known)
        assert moves.total == sum(after.values()) - sum(before.values())
        assert moves.churn <= 0 >= moves.contraction
        newcomers = {key for key, value in after.items() if value and key not in known}
        assert moves.new == sum(after[key] for key in newcomers if not before.get(key))
        gained += moves.total
        known |= {key for key, value in after.items() if value}
        before = after
    assert gained == sum(before.values())
