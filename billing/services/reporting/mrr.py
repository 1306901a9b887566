"""Monthly recurring revenue and how it moves: pure rules.

What a subscription brings a month is its price for a period over the months of that, rounded once;
nothing in its trial, before its first day or after its last, and (unless the seller charges for
that) while it is suspended. Usage, setup fees, coupons and VAT are not in it. The price is the one
that the day is charged at: of the day on which its period, or its plan within that, began.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

from billing.currencies import divided
from billing.services import periods, statement
from billing.services.periods import MONTHS, Interval
from billing.services.statement import Spell, Terms

NOTHING = Decimal(0)
PriceOn = Callable[[Any, date], Terms | None]


@dataclass(frozen=True, slots=True)
class Running:
    """A subscription as the rules need it: its spells are in order, the first on its first day."""

    spells: Sequence[Spell]
    anchor: date
    interval: Interval
    exponent: int


@dataclass(frozen=True, slots=True)
class Movements:
    """Why recurring revenue is another than a month before; what is lost is negative.

    A client is new where it never had any at a month's end, and reactivated where it had. With more
    than before it expands, with less it contracts, with none it has churned: whatever it did with
    how many instances.
    """

    new: Decimal = NOTHING
    reactivation: Decimal = NOTHING
    expansion: Decimal = NOTHING
    contraction: Decimal = NOTHING
    churn: Decimal = NOTHING

    @property
    def total(self) -> Decimal:
        """All of them: the difference of both ends."""
        return self.new + self.reactivation + self.expansion + self.contraction + self.churn


def over(
    of: Running, days: Sequence[date], *, charges_suspended: bool, price_on: PriceOn
) -> Iterator[tuple[int, int, Decimal]]:
    """What the subscription brings a month as of each of the days, which are in order.

    As slices of the days with the amount of each; where it brings nothing there is none.
    ``price_on`` gives versions in order: what is valid on two days is so on those between them.
    """
    first = of.spells[0]
    begun_at = price_on(first.plan, first.first)
    if begun_at is None:
        return
    charged_from = statement.trial_end(first.first, begun_at)
    for number, spell in enumerate(of.spells):
        if spell.is_suspended and not charges_suspended:
            continue
        begin = bisect_left(days, max(spell.first, charged_from))
        end = len(days) if spell.end is None else bisect_left(days, spell.end)
        if begin < end:
            of_plan = partial(_terms, of, _begin_of_plan(of.spells, number), spell.plan, price_on)
            yield from _slices(of, days, begin, end, of_plan)


def _terms(of: Running, since: date, plan: Any, price_on: PriceOn, day: date) -> Terms | None:
    return price_on(plan, max(since, _begin_of_period(day, of.anchor, of.interval)))


def _slices(
    of: Running,
    days: Sequence[date],
    begin: int,
    end: int,
    terms_on: Callable[[date], Terms | None],
) -> Iterator[tuple[int, int, Decimal]]:
    """Halved until the first day of each has the price of the last."""
    terms = terms_on(days[begin])
    if end - begin > 1 and terms != terms_on(days[end - 1]):
        middle = (begin + end) // 2
        yield from _slices(of, days, begin, middle, terms_on)
        yield from _slices(of, days, middle, end, terms_on)
    elif terms is not None and terms.amount:
        yield begin, end, _monthly(terms.amount, of.interval, of.exponent)


def movements(
    before: Mapping[Any, Decimal], after: Mapping[Any, Decimal], *, known: Collection[Any]
) -> Movements:
    """From one month's end to the next, client by client; ``known`` had any at an earlier end."""
    sums = dict.fromkeys(("new", "reactivation", "expansion", "contraction", "churn"), NOTHING)
    for client in before.keys() | after.keys():
        was, now = before.get(client, NOTHING), after.get(client, NOTHING)
        if was != now:
            sums[_kind(was, now, is_known=client in known)] += now - was
    return Movements(**sums)


def _kind(was: Decimal, now: Decimal, *, is_known: bool) -> str:
    if not was:
        return "reactivation" if is_known else "new"
    if not now:
        return "churn"
    return "expansion" if now > was else "contraction"


def _begin_of_plan(spells: Sequence[Spell], number: int) -> date:
    """When the plan of that spell began: a suspension of the same plan begins nothing."""
    while number and spells[number - 1].plan == spells[number].plan:
        number -= 1
    return spells[number].first


# Thousands of subscriptions ask the same of the same month.
@lru_cache(maxsize=10_000)
def _begin_of_period(day: date, anchor: date, interval: Interval) -> date:
    return periods.period_at(day, anchor=anchor, interval=interval).first


@lru_cache(maxsize=10_000)
def _monthly(amount: Decimal, interval: Interval, exponent: int) -> Decimal:
    return divided(amount, Decimal(1), Decimal(MONTHS[interval]), exponent)
