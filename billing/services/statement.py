"""What a subscription's period comes to: pure rules that put prices, days and usage together.

Nothing is charged outside the days that are billed, in a trial, or (unless the seller wants it)
while suspended. A price is the one of the day on which the period, or a plan within it, began: a
new version never changes a period that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from billing.currencies import rounded
from billing.services import pricing, proration
from billing.services.periods import Days
from billing.services.pricing import Charge

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Terms:
    """One version of a price. ``key`` is how the caller knows it."""

    key: Any
    plan: str
    amount: Decimal
    setup_fee: Decimal = Decimal(0)
    trial_days: int = 0
    charges: Mapping[str, Charge] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spell:
    """Days on one plan; ``end`` is the day after the last, if there is one yet."""

    plan: Any
    first: date
    end: date | None
    is_suspended: bool = False


@dataclass(frozen=True, slots=True)
class Stretch:
    """Days that are charged at one price, with what interrupts them left out."""

    terms: Terms
    spans: tuple[Days, ...]

    @property
    def count(self) -> int:
        """How many days."""
        return sum(span.count for span in self.spans)

    @property
    def days(self) -> Days:
        """From the first to the last, interruptions included."""
        return Days(self.spans[0].first, self.spans[-1].end)


@dataclass(frozen=True, slots=True)
class Item:
    """A line to be: ``net`` is ``quantity x price / base``, rounded."""

    kind: str
    name: str
    quantity: Decimal
    unit: str
    price: Decimal
    base: Decimal
    net: Decimal
    days: Days
    description: str = ""
    terms: Any = None
    meter: str = ""
    basis: Mapping[str, Any] = field(default_factory=dict)


def trial_end(first_day: date, terms: Terms) -> date:
    """The first day that is charged of what began then, at that price."""
    return first_day + timedelta(days=terms.trial_days)


def stretches(
    spells: Sequence[Spell],
    *,
    billed: Days,
    charged_from: date,
    charges_suspended: bool,
    price_on: Callable[[Any, date], Terms],
) -> list[Stretch]:
    """What of the billed days is charged, price by price. Spells are in order."""
    found: dict[Any, list[Days]] = {}
    known: dict[Any, Terms] = {}
    plan: Any = None
    terms: Terms | None = None
    for spell in spells:
        days = _within(spell, billed)
        if days is None:
            continue
        if terms is None or spell.plan != plan:
            plan, terms = spell.plan, price_on(spell.plan, days.first)
        charged = _from(days, charged_from)
        if charged and (charges_suspended or not spell.is_suspended):
            known[terms.key] = terms
            found.setdefault(terms.key, []).append(charged)
    return [Stretch(known[key], tuple(spans)) for key, spans in found.items()]


def recurring(parts: Sequence[Stretch], *, whole: Days, exponent: int) -> Iterator[Item]:
    """The price of each stretch: the whole of it for a whole period, its share for a part."""
    for part in parts:
        net = proration.portion(
            part.terms.amount, days=part.count, of=whole.count, exponent=exponent
        )
        if net:
            yield _recurring(part, whole, net)


def setup(terms: Terms, *, day: date, exponent: int) -> Iterator[Item]:
    """The fee at the beginning, if there is one."""
    fee = rounded(terms.setup_fee, exponent)
    if fee:
        days = Days(day, day + timedelta(days=1))
        name = f"Setup, {terms.plan}"
        yield Item("setup", name, ONE, "C62", fee, ONE, fee, days, terms=terms.key)


def usage(
    parts: Sequence[Stretch],
    used: Sequence[Mapping[str, Decimal]],
    *,
    whole: Days,
    exponent: int,
    titles: Mapping[str, str],
) -> Iterator[Item]:
    """What each stretch's usage costs, meter by meter and tier by tier."""
    for part, amounts in zip(parts, used, strict=True):
        for meter, charge in part.terms.charges.items():
            basis = basis_of(part, meter, amounts.get(meter, Decimal(0)), whole=whole)
            lines = pricing.rate(
                charge, used=basis["used"], included=basis["included"], exponent=exponent
            )
            for place, line in enumerate(lines):
                yield _usage(part, line, titles.get(meter, meter), {**basis, "tier": place})


def basis_of(part: Stretch, meter: str, used: Decimal, *, whole: Days) -> Mapping[str, Any]:
    """All that a meter's lines of a stretch are computed from."""
    charge = part.terms.charges[meter]
    return {
        "meter": meter,
        "used": used,
        "included": proration.included(
            charge.included, days=part.count, of=whole.count, is_level=charge.is_level
        ),
        "charge": charge,
        "spans": [[span.first, span.end] for span in part.spans],
        "of": whole.count,
    }


def taken_off(name: str, amount: Decimal, days: Days) -> Item:
    """A discount: once the amount, taken back."""
    return Item("discount", name, -ONE, "C62", amount, ONE, -amount, days)


def downtime(name: str, amount: Decimal, month: Days, **more: Any) -> Item:
    """What is given back of a month's price because the instance was down."""
    return Item("downtime", name, -ONE, "C62", amount, ONE, -amount, month, **more)


def adjustment(name: str, amount: Decimal, days: Days, **more: Any) -> Item:
    """What came out later than it was billed: more or, where the amount is negative, less."""
    sign = ONE if amount > 0 else -ONE
    return Item("adjustment", name, sign, "C62", abs(amount), ONE, amount, days, **more)


def _recurring(part: Stretch, whole: Days, net: Decimal) -> Item:
    """Once the price for a whole period, and else so many days at the price of all its days."""
    terms = part.terms
    basis = {
        "amount": terms.amount,
        "whole": [whole.first, whole.end],
        "spans": [[span.first, span.end] for span in part.spans],
    }
    common = {"terms": terms.key, "basis": basis}
    if part.count == whole.count:
        return Item("recurring", terms.plan, ONE, "C62", net, ONE, net, part.days, **common)
    count, of = Decimal(part.count), Decimal(whole.count)
    told = f"{part.count} of {whole.count} days"
    return Item(
        *("recurring", terms.plan, count, "DAY", terms.amount, of, net, part.days),
        description=told,
        **common,
    )


def _usage(part: Stretch, line: pricing.Rated, title: str, basis: Mapping[str, Any]) -> Item:
    return Item(
        "usage",
        title,
        line.quantity,
        "C62",
        line.price,
        line.base,
        line.net,
        part.days,
        description=_told(line, basis),
        terms=part.terms.key,
        meter=str(basis["meter"]),
        basis=basis,
    )


def _told(line: pricing.Rated, basis: Mapping[str, Any]) -> str:
    """What the line is of, for a person."""
    parts = [f"{basis['used']:,f} used".replace(".000000", "")]
    if basis["included"]:
        parts.append(f"{basis['included']:,f} included")
    if basis["charge"].model == pricing.Model.PACKAGE:
        parts.append(f"packages of {basis['charge'].base:,f}")
    if line.above or line.up_to is not None:
        end = "" if line.up_to is None else f" up to {line.up_to:,f}"
        parts.append(f"above {line.above:,f}{end}")
    return ", ".join(parts)


def _within(spell: Spell, billed: Days) -> Days | None:
    first = max(spell.first, billed.first)
    end = billed.end if spell.end is None else min(spell.end, billed.end)
    return Days(first, end) if first < end else None


def _from(days: Days, first: date) -> Days | None:
    if days.end <= first:
        return None
    return Days(max(days.first, first), days.end)
