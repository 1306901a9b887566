"""What recurring revenue is on a day, and what its movements are, as tables and properties."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import accumulate
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
    days = [date.fromisoformat(day)]
    found = list(mrr.over(running, days, charges_suspended=charges, price_on=price_on))
    assert all((begin, end) == (0, 1) for begin, end, _ in found)
    return f"{sum((each for _, _, each in found), Decimal(0)):f}"


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


@given(
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=5),
    plans=st.lists(st.sampled_from(["small", "large", "trial", "none"]), min_size=5, max_size=5),
    suspended=st.lists(st.booleans(), min_size=5, max_size=5),
    is_ended=st.booleans(),
    steps=st.lists(st.integers(1, 40), min_size=1, max_size=12),
)
def test_many_days_at_once_bring_what_each_does_alone(
    lengths: list[int], plans: list[str], suspended: list[bool], is_ended: bool, steps: list[int]
) -> None:
    firsts = [JAN + timedelta(days=each) for each in accumulate([0, *lengths])]
    ends = [*firsts[1:-1], firsts[-1] if is_ended else None]
    spells = [Spell(*each) for each in zip(plans, firsts, ends, suspended, strict=False)]
    running = Running(spells, JAN, Interval.MONTH, 2)
    days = [JAN + timedelta(days=each) for each in accumulate(steps)]
    found = mrr.over(running, days, charges_suspended=False, price_on=price_on)
    at_once = {days[n]: each for begin, end, each in found for n in range(begin, end)}
    alone = {day: amount(spells, day.isoformat()) for day in days}
    assert {day: f"{at_once.get(day, Decimal(0)):f}" for day in days} == alone


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
