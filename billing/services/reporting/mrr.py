"""Monthly recurring revenue and how it moves: pure rules.

What a subscription brings a month is its price for a period over the months of that, rounded once;
nothing in its trial, before its first day or after its last, and (unless the seller charges for
that) while it is suspended. Usage, setup fees, coupons and VAT are not in it. The price is the one
that the day is charged at: of the day on which its period, or its plan within that, began.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
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


def on_day(of: Running, day: date, *, charges_suspended: bool, price_on: PriceOn) -> Decimal:
    """What the subscription brings a month, as of that day. Without a price it brings nothing."""
    number = next((n for n, spell in enumerate(of.spells) if _is_in(day, spell)), None)
    if number is None:
        return NOTHING
    spell, first = of.spells[number], of.spells[0]
    if spell.is_suspended and not charges_suspended:
        return NOTHING
    begun_at = price_on(first.plan, first.first)
    if begun_at is None or day < statement.trial_end(first.first, begun_at):
        return NOTHING
    begin = max(_begin_of_plan(of.spells, number), _begin_of_period(day, of.anchor, of.interval))
    terms = price_on(spell.plan, begin)
    return NOTHING if terms is None else _monthly(terms.amount, of.interval, of.exponent)


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


def _is_in(day: date, spell: Spell) -> bool:
    return spell.first <= day and (spell.end is None or day < spell.end)


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
