"""What the plans of a client's subscriptions cost in the period that runs, and next."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from billing.models import Price, Span, Subscription
from hosting.models import Plan


@dataclass(frozen=True, slots=True)
class InUse:
    """A plan, and its price of the day on which the period, or the plan within it, began.

    ``later`` is a version that begins after that, for the periods that begin then.
    """

    plan: Plan
    price: Price | None
    later: Price | None


def in_use(
    begun: Mapping[uuid.UUID, date], subscriptions: Sequence[Subscription], *, currency: str
) -> Mapping[uuid.UUID, InUse]:
    """By subscription; ``begun`` is the first day of the period of each. Two queries."""
    spans: dict[uuid.UUID, Span] = {}
    rows = Span.objects.filter(subscription__in=[each.pk for each in subscriptions])
    for span in rows.select_related("plan").order_by("first_day"):
        spans[span.subscription_id] = span  # the last is the one that counts
    prices: dict[tuple[uuid.UUID, str], list[Price]] = defaultdict(list)
    plans = {span.plan_id for span in spans.values()}
    for price in Price.objects.filter(plan__in=plans, currency=currency).order_by("valid_from"):
        prices[price.plan_id, price.interval].append(price)
    found = {}
    for each in subscriptions:
        span_ = spans.get(each.pk)
        if span_ is not None:
            day = max(begun[each.pk], span_.first_day)
            versions = prices[span_.plan_id, each.interval]
            found[each.pk] = _chosen(span_.plan, versions, day)
    return found


def _chosen(plan: Plan, versions: Sequence[Price], day: date) -> InUse:
    valid = [price for price in versions if price.valid_from <= day]
    later = [price for price in versions if price.valid_from > day]
    return InUse(plan, valid[-1] if valid else None, later[0] if later else None)
