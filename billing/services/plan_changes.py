"""What another plan costs an instance, before it is asked for. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from billing import currencies
from billing.models import Price, Span, Subscription
from billing.selectors import plan_prices
from billing.selectors.plan_prices import Terms
from billing.services import periods, proration
from billing.services.periods import Days, Interval
from hosting.models import Instance, Plan


@dataclass(frozen=True, slots=True)
class Outlook:
    """Prices of a whole period; ``more`` is what the rest of the one that runs costs besides.

    ``more`` is negative where it costs less, and None where no period runs or nothing is charged.
    ``last_day`` is that period's.
    """

    currency: str
    interval: str
    old: Decimal
    new: Decimal
    more: Decimal | None = None
    last_day: date | None = None


def outlook(*, instance: Instance, plan: Plan, now: datetime) -> Outlook | None:
    """What changing to the plan today comes to, without usage, VAT and discounts.

    None where one of the two plans has no price. Four queries at most.
    """
    subscription = (
        Subscription.objects.filter(instance=instance, end_day=None)
        .select_related("client")
        .first()
    )
    terms = plan_prices.terms_of(instance.client)
    if subscription is None:
        today = instance.client.clock.day_at(now)
        old = plan_prices.valid_on([instance.plan_id], terms, on=today).get(instance.plan_id)
        new = plan_prices.valid_on([plan.pk], terms, on=today).get(plan.pk)
        return _told(terms, old, new) if old and new else None
    return _of_period(subscription, instance, plan, terms, now)


def _of_period(
    subscription: Subscription, instance: Instance, plan: Plan, terms: Terms, now: datetime
) -> Outlook | None:
    terms = Terms(terms.currency, subscription.interval)
    today = subscription.client.clock.day_at(now)
    whole = periods.period_at(
        today, anchor=subscription.anchor, interval=Interval(subscription.interval)
    )
    span = Span.objects.filter(subscription=subscription, end_day=None).first()
    began = max(whole.first, span.first_day) if span else whole.first
    old = plan_prices.valid_on([instance.plan_id], terms, on=began).get(instance.plan_id)
    new = plan_prices.valid_on([plan.pk], terms, on=today).get(plan.pk)
    if old is None or new is None:
        return None
    charged_from = subscription.first_day + timedelta(days=old.trial_days)
    is_paused = span is not None and span.is_suspended
    if is_paused or charged_from > today:
        return _told(terms, old, new)
    return _told(terms, old, new, whole=whole, rest=(whole.end - today).days)


def _told(
    terms: Terms, old: Price, new: Price, *, whole: Days | None = None, rest: int = 0
) -> Outlook:
    prices = Outlook(terms.currency, terms.interval, old.amount, new.amount)
    if whole is None:
        return prices
    exponent = currencies.exponent(terms.currency)

    def portion(days: int, price: Price) -> Decimal:
        return proration.portion(price.amount, days=days, of=whole.count, exponent=exponent)

    changed = portion(whole.count - rest, old) + portion(rest, new)
    more = changed - portion(whole.count, old)
    return replace(prices, more=more, last_day=whole.end - timedelta(days=1))
