"""What plans cost, in words, where hosting's pages have one chosen."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.utils.formats import date_format

from billing import currencies
from billing.models import Price, Seller
from billing.selectors import plan_prices
from billing.services import plan_changes, pricing
from billing.services.pricing import Charge, Model
from hosting.catalog.meters import BUILT_IN
from hosting.hooks import PlanNote
from hosting.models import Instance, Plan
from tenants.models import Client

NO_PRICE = PlanNote("No price yet", ("It is charged from its first day on when there is one.",))
_WITHOUT_VAT = "Without VAT."


def of_plans(
    *, client: Client, plans: Sequence[Plan], now: datetime
) -> Mapping[uuid.UUID, PlanNote]:
    """Each plan's price for the client from today on; nothing where nobody sells. Three queries."""
    if not Seller.objects.exists():
        return {}
    today = client.clock.day_at(now)
    known = plan_prices.valid_on(
        [plan.pk for plan in plans], plan_prices.terms_of(client), on=today
    )
    return {plan.pk: note(known[plan.pk]) if plan.pk in known else NO_PRICE for plan in plans}


def prices_of(*, plans: Sequence[Plan], now: datetime) -> Mapping[uuid.UUID, str]:
    """EUR 30.00 a month or JPY 8,000 a quarter: what each plan costs from today on, by what the
    client that orders it pays in. Two queries; nothing where nobody sells.
    """
    if not Seller.objects.exists():
        return {}
    known = plan_prices.all_valid_on([plan.pk for plan in plans], on=now.date())
    return {
        plan.pk: " or ".join(note(each).words for each in known.get(plan.pk, ())) or NO_PRICE.words
        for plan in plans
    }


def note(price: Price) -> PlanNote:
    """EUR 30.00 a month, and what comes on top of it."""
    return PlanNote(
        f"{currencies.said(price.amount, price.currency)} a {price.interval}",
        tuple(_details(price)),
    )


def of_change(*, instance: Instance, plan: Plan, now: datetime) -> Sequence[str]:
    """What another plan costs, and what that means for the period that runs."""
    if plan.pk == instance.plan_id:
        return ()
    found = plan_changes.outlook(instance=instance, plan=plan, now=now)
    if found is None:
        return ()
    new, old = (currencies.said(each, found.currency) for each in (found.new, found.old))
    said = [f"It costs {new} a {found.interval} instead of {old}, without VAT."]
    if found.more is not None and found.last_day is not None:
        said.append(_rest(found.more, found.currency, date_format(found.last_day, "j M Y")))
    return said


def _rest(more: Decimal, currency: str, last_day: str) -> str:
    if not more:
        return f"The period that runs until {last_day} costs what it did."
    which = "more" if more > 0 else "less"
    amount = currencies.said(abs(more), currency)
    return f"Changed today, the period that runs until {last_day} costs {amount} {which}, by days."


def _details(price: Price) -> Iterator[str]:
    if price.trial_days:
        yield f"The first {price.trial_days} days are free."
    if price.setup_fee:
        yield f"{currencies.said(price.setup_fee, price.currency)} once for the setup."
    for each in price.charges:
        yield charge_in_words(str(each["meter"]), pricing.charge_of(each), price.currency)
    yield _WITHOUT_VAT


def charge_in_words(meter: str, charge: Charge, currency: str) -> str:
    """What a meter's usage costs: 1,000 executions included, then EUR 0.20 per 100."""
    known = BUILT_IN.get(meter)
    title = known.title if known else meter.replace("_", " ").capitalize()
    parts = [f"{_plain(charge.included)} included"] if charge.included else []
    parts.append(", ".join(_tiers(charge, currency)))
    return f"{title}: {', then '.join(parts)}."


def _tiers(charge: Charge, currency: str) -> Iterator[str]:
    per = "each" if charge.base == 1 else f"per {_plain(charge.base)}"
    if charge.model == Model.PACKAGE:
        per = f"for each {_plain(charge.base)} begun"
    above = Decimal(0)
    for tier in charge.tiers:
        price = f"{currency} {_money(tier.price, currency)} {per}"
        if tier.up_to is not None:
            yield f"{price} up to {_plain(tier.up_to)}"
            above = tier.up_to
        elif above:
            yield f"{price} above {_plain(above)}"
        else:
            yield price
    if charge.model == Model.VOLUME and len(charge.tiers) > 1:
        yield "all at the price of the last one"


def _money(price: Decimal, currency: str) -> str:
    """With the currency's decimals, or as many more as it has."""
    least = currencies.exponent(currency)
    exponent = price.normalize().as_tuple().exponent
    more = -exponent if isinstance(exponent, int) else 0
    return f"{price:,.{max(least, more)}f}"


def _plain(value: Decimal) -> str:
    short = value.normalize()
    return f"{short.quantize(Decimal(1)) if short == short.to_integral() else short:,f}"
