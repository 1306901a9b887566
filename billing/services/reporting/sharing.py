"""A server's cost shared out among those that have reserved a part of it: pure rules.

Of each day's cost a stated part is for CPU, memory and disk. Of each an instance bears what it has
reserved over what the server has; where more is reserved than there is, over all that is reserved.
The rest is capacity that nobody has reserved, and is nobody's. Rounded so that the shares and the
rest are the cost, to the cent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from billing.services.periods import Days

Parts = tuple[Decimal, Decimal, Decimal]  # of CPU, memory and disk


@dataclass(frozen=True, slots=True)
class Cost:
    """A month's cost on those days; ``weights`` are per cent."""

    days: Days
    amount: Decimal
    weights: Parts


@dataclass(frozen=True, slots=True)
class Reserved:
    """What somebody has reserved on those days."""

    key: Any
    days: Days
    amounts: Parts


@dataclass(frozen=True, slots=True)
class Shared:
    """Who bears what, and what nobody does: together the cost."""

    cost: Decimal
    shares: Mapping[Any, Decimal]
    unused: Decimal


def share_out(
    costs: Sequence[Cost],
    reserved: Sequence[Reserved],
    *,
    has: Parts,
    month: Days,
    exponent: int,
) -> Shared:
    """The month's cost. Costs do not overlap; days without one cost nothing."""
    exact: dict[Any, Fraction] = {each.key: Fraction(0) for each in reserved}
    whole = Fraction(0)
    for days in _stretches(costs, reserved, month):
        cost = next((each for each in costs if _holds(each.days, days)), None)
        if cost is None:
            continue
        part = Fraction(cost.amount) * days.count / month.count
        whole += part
        active = [each for each in reserved if _holds(each.days, days)]
        shares = _shares(active, cost.weights, has)
        borne = {amounts: part * share for amounts, share in shares.items()}
        for each in active:
            exact[each.key] += borne[each.amounts]
    return _rounded(exact, whole, exponent)


def _stretches(costs: Sequence[Cost], reserved: Sequence[Reserved], month: Days) -> Iterator[Days]:
    """The month cut wherever anything begins or ends."""
    cuts: set[date] = {month.first, month.end}
    for days in (*(each.days for each in costs), *(each.days for each in reserved)):
        cuts |= {day for day in (days.first, days.end) if month.first < day < month.end}
    ordered = sorted(cuts)
    for first, end in pairwise(ordered):
        yield Days(first, end)


def _holds(outer: Days, inner: Days) -> bool:
    return outer.first <= inner.first and inner.end <= outer.end


def _shares(active: Sequence[Reserved], weights: Parts, has: Parts) -> Mapping[Parts, Fraction]:
    """The share of the whole cost of whoever has reserved that: there are few plans."""
    many = Counter(each.amounts for each in active)
    factors = []
    for number, weight in enumerate(weights):
        taken = sum((amounts[number] * of for amounts, of in many.items()), Decimal(0))
        factors.append(Fraction(weight) / 100 / Fraction(max(taken, has[number])))
    return {
        amounts: sum(
            (Fraction(each) * factor for each, factor in zip(amounts, factors, strict=True)),
            Fraction(0),
        )
        for amounts in many
    }


def _rounded(exact: Mapping[Any, Fraction], whole: Fraction, exponent: int) -> Shared:
    """Each share is what the rounded running sum grows by with it."""
    shares: dict[Any, Decimal] = {}
    running, before = Fraction(0), Decimal(0)
    for key, amount in exact.items():
        running += amount
        after = _half_up(running, exponent)
        shares[key], before = after - before, after
    cost = _half_up(whole, exponent)
    return Shared(cost, shares, cost - before)


def _half_up(value: Fraction, exponent: int) -> Decimal:
    """Exactly; what is shared out is never negative."""
    number, of = value.numerator * 10**exponent, value.denominator
    return Decimal((2 * number + of) // (2 * of)).scaleb(-exponent)
