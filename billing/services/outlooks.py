"""What a client's running periods will have come to when they end, if usage goes on as it did."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from billing.services import periods
from billing.services.invoicing import gathering, previews
from billing.services.invoicing.gathering import Wanted
from billing.services.invoicing.previews import Expected
from billing.services.statement import Stretch
from hosting.catalog.meters import Meter
from hosting.selectors.measuring import usage_stretches
from tenants.clocks import Clock
from tenants.models import Client

DAY = timedelta(days=1)


def of_client(
    client: Client, running: Sequence[Expected], *, now: datetime
) -> Mapping[uuid.UUID, Decimal | None]:
    """By subscription, without VAT; None before a whole day of its period has gone by.

    The price of the plan is a whole period's. Usage of the days that are left is the average since
    the period, or the plan within it, began; what is no sum stays what it is.
    """
    if not running:
        return {}
    clock = client.clock
    meters = usage_stretches.titles({each.subscription.instance_id for each in running})
    at_end = previews.of_subscriptions(
        [each.subscription for each in running], ahead=_goes_on(meters, clock, now)
    )
    return {
        each.subscription.pk: each.net if _is_known(each, clock, now) else None
        for each in at_end
        if not each.problem
    }


def _goes_on(
    meters: Mapping[uuid.UUID, Mapping[str, Meter]], clock: Clock, now: datetime
) -> gathering.Ahead:
    def ahead(wanted: Wanted, stretch: Stretch, used: gathering.Usage) -> gathering.Usage:
        gone = sum((_gone(span, clock, now) for span in stretch.spans), timedelta())
        own = meters.get(wanted.subscription.instance_id, {})
        return {
            name: _projected(amount, own.get(name), gone=gone, days=stretch.count)
            for name, amount in used.items()
        }

    return ahead


def _projected(amount: Decimal, meter: Meter | None, *, gone: timedelta, days: int) -> Decimal:
    """In whole units, as nearly everything is that is charged."""
    is_level = meter is not None and meter.aggregation not in usage_stretches.ADD_UP
    if gone < DAY or gone >= days * DAY or is_level:
        return amount
    share = Decimal(days * DAY // timedelta(seconds=1)) / Decimal(gone // timedelta(seconds=1))
    return max(amount, Decimal(round(amount * share)))


def _gone(span: periods.Days, clock: Clock, now: datetime) -> timedelta:
    first, end = clock.begin_of(span.first), clock.begin_of(span.end)
    return max(min(now, end) - first, timedelta())


def _is_known(each: Expected, clock: Clock, now: datetime) -> bool:
    return _gone(each.days, clock, now) >= DAY
