"""What periods come to: spans, prices and usage of all of them, read in a few queries."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from billing import currencies
from billing.models import BillingPeriod, Price, Seller, Span, Subscription
from billing.services import periods, pricing, statement
from billing.services.periods import Days, Interval
from billing.services.statement import Item, Spell, Stretch, Terms
from hosting.catalog.meters import Meter
from hosting.models import Plan
from hosting.selectors.measuring import usage_stretches
from hosting.selectors.measuring.usage_stretches import ADD_UP
from tenants.errors import Refused


@dataclass(frozen=True, slots=True)
class Wanted:
    """Days of a subscription, within a whole period, in its client's currency."""

    subscription: Subscription
    billed: Days
    whole: Days
    currency: str


def wanted_of(period: BillingPeriod, currency: str) -> Wanted:
    """What has been taken to be billed, as it was then."""
    subscription = period.subscription
    whole = periods.period_at(
        period.first_day, anchor=subscription.anchor, interval=Interval(subscription.interval)
    )
    return Wanted(subscription, Days(period.first_day, period.end_day), whole, currency)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Of one wanted: the stretches that are charged, and where the setup fee falls due."""

    stretches: Sequence[Stretch]
    setup: tuple[Terms, date] | None


Answer = list[Item] | Refused
Usage = Mapping[str, Any]
Ahead = Callable[[Wanted, Stretch, Usage], Usage]


def items(wanted: Sequence[Wanted], *, seller: Seller, ahead: Ahead | None = None) -> list[Answer]:
    """The lines of each of the wanted, or why there can be none yet, in the given order.

    ``ahead`` is given what each stretch used, and says what is to be rated: for an outlook.
    """
    read = _Reader(wanted, seller)
    parts = [read.parts(each) for each in wanted]
    meters = _meters(wanted, parts)
    parts = [
        _with_levels(part, meters.get(each.subscription.instance_id, {}))
        for each, part in zip(wanted, parts, strict=True)
    ]
    usages = iter(_usage(wanted, parts))
    found: list[Answer] = []
    for each, part in zip(wanted, parts, strict=True):
        if isinstance(part, Refused):
            found.append(part)
            continue
        used = [next(usages) for _ in part.stretches]
        if ahead is not None:
            pairs = zip(part.stretches, used, strict=True)
            used = [ahead(each, stretch, so_far) for stretch, so_far in pairs]
        known = meters.get(each.subscription.instance_id, {})
        titles = {name: meter.title for name, meter in known.items()}
        found.append(_items(each, part, used, titles))
    return found


def _items(
    wanted: Wanted, parts: _Parts, used: Sequence[Mapping[str, Any]], titles: Mapping[str, str]
) -> list[Item]:
    exponent = currencies.exponent(wanted.currency)
    fee = (
        statement.setup(parts.setup[0], day=parts.setup[1], exponent=exponent)
        if parts.setup
        else ()
    )
    whole, stretches = wanted.whole, parts.stretches
    return [
        *fee,
        *statement.recurring(stretches, whole=whole, exponent=exponent),
        *statement.usage(stretches, used, whole=whole, exponent=exponent, titles=titles),
    ]


class _Reader:
    """Spans and prices of all that is wanted."""

    def __init__(self, wanted: Sequence[Wanted], seller: Seller) -> None:
        """Two queries."""
        self.seller = seller
        self.spells: dict[uuid.UUID, list[Spell]] = defaultdict(list)
        of = {each.subscription.pk for each in wanted}
        for span in Span.objects.filter(subscription__in=of).order_by("first_day"):
            self.spells[span.subscription_id].append(
                Spell(span.plan_id, span.first_day, span.end_day, span.is_suspended)
            )
        plans = {spell.plan for spells in self.spells.values() for spell in spells}
        self.prices: dict[tuple[uuid.UUID, str, str], list[tuple[date, Terms]]] = defaultdict(list)
        prices = Price.objects.filter(plan__in=plans).select_related("plan").order_by("valid_from")
        for price in prices:
            key = (price.plan_id, price.currency, price.interval)
            self.prices[key].append((price.valid_from, terms_of(price)))

    def parts(self, wanted: Wanted) -> _Parts | Refused:
        """The stretches, or why there can be none."""
        subscription = wanted.subscription
        spells = self.spells[subscription.pk]
        price_on = self._prices_of(wanted)
        try:
            first = price_on(spells[0].plan, subscription.first_day)
            charged_from = statement.trial_end(subscription.first_day, first)
            found = statement.stretches(
                spells,
                billed=wanted.billed,
                charged_from=charged_from,
                charges_suspended=self.seller.charges_suspended,
                price_on=price_on,
            )
        except Refused as refused:
            return refused
        begins = wanted.billed.first <= charged_from < wanted.billed.end
        return _Parts(found, (first, charged_from) if begins else None)

    def _prices_of(self, wanted: Wanted) -> Callable[[Any, date], Terms]:
        interval = wanted.subscription.interval

        def price_on(plan: uuid.UUID, day: date) -> Terms:
            versions = self.prices[plan, wanted.currency, interval]
            valid = [terms for begin, terms in versions if begin <= day]
            if not valid:
                name = Plan.objects.get(pk=plan).name
                raise Refused(
                    f"The plan {name} has no price in {wanted.currency} a {interval} on {day}."
                )
            return valid[-1]

        return price_on


def terms_of(price: Price) -> Terms:
    """A price as the pure rules take it."""
    return Terms(
        key=price.pk,
        plan=price.plan.name,
        amount=price.amount,
        setup_fee=price.setup_fee,
        trial_days=price.trial_days,
        charges={str(each["meter"]): pricing.charge_of(each) for each in price.charges},
    )


def _usage(
    wanted: Sequence[Wanted], parts: Sequence[_Parts | Refused]
) -> Sequence[Mapping[str, Any]]:
    asked, meters = [], set[str]()
    for each, part in zip(wanted, parts, strict=True):
        for stretch in () if isinstance(part, Refused) else part.stretches:
            spans = [(days.first, days.end) for days in stretch.spans]
            instance, of = each.subscription.instance_id, each.whole.count
            asked.append(usage_stretches.Stretch(instance, spans, of))
            meters |= stretch.terms.charges.keys()
    return usage_stretches.totals(asked, meters=meters)


def _meters(
    wanted: Sequence[Wanted], parts: Sequence[_Parts | Refused]
) -> Mapping[uuid.UUID, Mapping[str, Meter]]:
    """How each instance's meters count; no query where nothing is charged by a meter."""
    instances = {
        each.subscription.instance_id
        for each, part in zip(wanted, parts, strict=True)
        if isinstance(part, _Parts) and any(s.terms.charges for s in part.stretches)
    }
    return usage_stretches.titles(instances) if instances else {}


def _with_levels(part: _Parts | Refused, meters: Mapping[str, Meter]) -> _Parts | Refused:
    """The same, whose charges of what is no sum say so: that is for the app to say."""
    levels = {name for name, each in meters.items() if each.aggregation not in ADD_UP}
    if isinstance(part, Refused) or not levels:
        return part
    return replace(part, stretches=[_of_levels(each, levels) for each in part.stretches])


def _of_levels(stretch: Stretch, levels: Collection[str]) -> Stretch:
    charges = {
        name: replace(charge, is_level=name in levels)
        for name, charge in stretch.terms.charges.items()
    }
    return replace(stretch, terms=replace(stretch.terms, charges=charges))
