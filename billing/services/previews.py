"""What the next round of billing would come to, if it were now. Nothing is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Min

from billing import currencies
from billing.models import BillingProfile, Seller, Subscription
from billing.services import discounts, gathering, subscriptions
from billing.services.gathering import Wanted
from billing.services.periods import Days
from tenants.errors import Refused
from tenants.models import Client

TOGETHER = timedelta(days=1)  # one run for all time zones
AT_MOST = 500


@dataclass(frozen=True, slots=True)
class Expected:
    """What a subscription's next period comes to so far, without VAT and late usage, or why not."""

    subscription: Subscription
    days: Days
    net: Decimal
    currency: str
    problem: str


@dataclass(frozen=True, slots=True)
class Preview:
    """Those due within a day of the first, the first of them; ``many`` says how many there are."""

    first_at: datetime | None
    rows: Sequence[Expected]
    many: int
    totals: Mapping[str, Decimal]


def next_run(*, at_most: int = AT_MOST) -> Preview:
    """The periods that are billed next, the oldest of each subscription. Nine queries at most."""
    billable = Subscription.objects.filter(client__in=BillingProfile.objects.values("client"))
    first_at = billable.aggregate(Min("next_billing_at"))["next_billing_at__min"]
    seller = Seller.objects.first()
    if first_at is None or seller is None:
        return Preview(None, (), 0, {})
    due = billable.filter(next_billing_at__lte=first_at + TOGETHER)
    chosen = due.select_related("client", "instance__client").order_by("client__name", "pk")
    rows = _expected(list(chosen[:at_most]), seller)
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        totals[row.currency] += row.net
    return Preview(first_at, rows, due.count(), totals)


def of_client(client: Client) -> Sequence[Expected]:
    """What the client's periods that run now have come to so far."""
    seller = Seller.objects.first()
    if seller is None or not BillingProfile.objects.filter(client=client).exists():
        return ()
    running = Subscription.objects.filter(client=client, next_billing_at__isnull=False)
    chosen = running.select_related("client", "instance__client").order_by("instance__name")
    return _expected(list(chosen[:AT_MOST]), seller)


def _expected(chosen: Sequence[Subscription], seller: Seller) -> list[Expected]:
    profiles = BillingProfile.objects.filter(client__in=[each.client_id for each in chosen])
    money = dict(profiles.values_list("client", "currency"))
    wanted = [
        Wanted(
            each,
            subscriptions.next_days(each),
            subscriptions.whole_period(each),
            money[each.client_id],
        )
        for each in chosen
    ]
    found = discounts.of({each.pk for each in chosen})
    answers = gathering.items(wanted, seller=seller)
    return [_one(each, answer, found) for each, answer in zip(wanted, answers, strict=True)]


def _one(wanted: Wanted, answer: gathering.Answer, found: discounts.Found) -> Expected:
    net, problem = Decimal(0), ""
    if isinstance(answer, Refused):
        problem = answer.message
    else:
        exponent = currencies.exponent(wanted.currency)
        own = found.get(wanted.subscription.pk, ())
        off = discounts.lines(own, answer, days=wanted.billed, exponent=exponent)
        net = sum((item.net for item in (*answer, *off)), Decimal(0))
    return Expected(wanted.subscription, wanted.billed, net, wanted.currency, problem)
