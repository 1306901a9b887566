"""What the next round of billing would come to, if it were now. Nothing is written."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Min, QuerySet

from billing import currencies
from billing.models import BillingProfile, Seller, Subscription
from billing.services import discounts, subscriptions
from billing.services.invoicing import downtime_credits, gathering
from billing.services.invoicing.downtime_credits import Part
from billing.services.invoicing.gathering import Wanted
from billing.services.periods import Days
from billing.services.statement import Item
from hosting.selectors.instances import large
from hosting.selectors.watching import availability
from tenants.errors import Refused
from tenants.models import Client

TOGETHER = timedelta(days=1)  # one run for all time zones
AT_MOST = 100  # five times as many took half a second


@dataclass(frozen=True, slots=True)
class Expected:
    """What a subscription's next period comes to so far, without VAT and late usage, or why not.

    ``downtime`` is what of it is given back for months in which it was down; ``net`` is less that.
    """

    subscription: Subscription
    days: Days
    net: Decimal
    currency: str
    problem: str
    downtime: Decimal = Decimal(0)
    items: Sequence[Item] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """Those due within a day of the first, the first of them; ``many`` says how many there are."""

    first_at: datetime | None
    rows: Sequence[Expected]
    many: int
    totals: Mapping[str, Decimal]


def next_run(*, at_most: int = AT_MOST) -> Preview:
    """The periods that are billed next, the oldest of each subscription. Eleven queries at most,
    and a few for each client of whose instances one was down.
    """
    billable = Subscription.objects.filter(client__in=BillingProfile.objects.values("client"))
    first_at = billable.aggregate(Min("next_billing_at"))["next_billing_at__min"]
    seller = Seller.objects.first()
    if first_at is None or seller is None:
        return Preview(None, (), 0, {})
    due = billable.filter(next_billing_at__lte=first_at + TOGETHER)
    # An instance is a wide row: those of all that is due are not to be sorted for these few.
    first = list(due.order_by("client__name", "pk").values_list("pk", flat=True)[:at_most])
    chosen = _with_instances(billable.filter(pk__in=first)).order_by("client__name", "pk")
    rows = _expected(list(chosen), seller)
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        totals[row.currency] += row.net
    return Preview(first_at, rows, due.count(), totals)


def running(client: Client) -> QuerySet[Subscription]:
    """The client's subscriptions of which a period runs, by instance; none where none is billed."""
    if not Seller.objects.exists() or not BillingProfile.objects.filter(client=client).exists():
        return Subscription.objects.none()
    rows = Subscription.objects.filter(client=client, next_billing_at__isnull=False)
    return _with_instances(rows).order_by("instance__name", "pk")


def _with_instances(rows: QuerySet[Subscription]) -> QuerySet[Subscription]:
    return rows.select_related("client", "instance__client").defer(*large("instance"))


def of_client(client: Client, *, at_most: int = AT_MOST) -> Sequence[Expected]:
    """What the client's periods that run now have come to so far."""
    return of_subscriptions(running(client)[:at_most])


def of_subscriptions(
    chosen: Iterable[Subscription], *, ahead: gathering.Ahead | None = None
) -> Sequence[Expected]:
    """What their periods that run now have come to so far, or will with usage ``ahead``."""
    seller = Seller.objects.first()
    if seller is None:
        return ()
    return _expected(list(chosen), seller, ahead)


def _expected(
    chosen: Sequence[Subscription], seller: Seller, ahead: gathering.Ahead | None = None
) -> list[Expected]:
    rows = BillingProfile.objects.filter(client__in=[each.client_id for each in chosen])
    profiles = {each.client_id: each for each in rows.select_related("client")}
    wanted = [
        Wanted(
            each,
            subscriptions.next_days(each),
            subscriptions.whole_period(each),
            profiles[each.client_id].currency,
        )
        for each in chosen
    ]
    found = discounts.of({each.pk for each in chosen})
    answers = gathering.items(wanted, seller=seller, ahead=ahead)
    parts = [_part(each, answer, found) for each, answer in zip(wanted, answers, strict=True)]
    given = _downtime(profiles, [each for each in parts if isinstance(each, Part)])
    return [
        _one(each, part, given[each.subscription.pk])
        for each, part in zip(wanted, parts, strict=True)
    ]


def _part(wanted: Wanted, answer: gathering.Answer, found: discounts.Found) -> Part | Refused:
    if isinstance(answer, Refused):
        return answer
    exponent = currencies.exponent(wanted.currency)
    own = found.get(wanted.subscription.pk, ())
    off = discounts.lines(own, answer, days=wanted.billed, exponent=exponent)
    return Part(wanted.subscription, wanted.billed, [*answer, *off])


def _downtime(
    profiles: Mapping[uuid.UUID, BillingProfile], parts: Sequence[Part]
) -> Mapping[uuid.UUID, Decimal]:
    """What is given back of each subscription's months for downtime, as known by now."""
    given: dict[uuid.UUID, Decimal] = defaultdict(Decimal)
    moments = [each.subscription.next_billing_at for each in parts]
    if not parts:
        return given
    now = max(each for each in moments if each is not None)
    since = downtime_credits.looks_since((each.billed.first for each in parts), now=now)
    down = availability.months_with_downtime(profiles.keys(), since=since)
    for client, months in down.items():
        own = [each for each in parts if each.subscription.client_id == client]
        for due in downtime_credits.of_client(profiles[client], months, own, now=now):
            given[due.subscription.pk] -= due.item.net
    return given


def _one(wanted: Wanted, part: Part | Refused, downtime: Decimal) -> Expected:
    common = wanted.subscription, wanted.billed
    if isinstance(part, Refused):
        return Expected(*common, Decimal(0), wanted.currency, part.message)
    net = sum((item.net for item in part.items), Decimal(0)) - downtime
    return Expected(*common, net, wanted.currency, "", downtime, tuple(part.items))
