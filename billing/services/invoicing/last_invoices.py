"""A last draft for clients that nothing more falls due for, where usage was reported late.

Everybody else has it on the next invoice. The draft is empty: what came in since is looked at when
it is issued, and until then, as for any draft, more may come.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from billing.models import BillingPeriod, BillingProfile, Invoice, Seller, Subscription
from billing.services.invoicing import late_usage
from billing.services.invoicing.line_rows import Charged

AT_ONCE = 250


def draft(*, now: datetime, seller: Seller) -> int:
    """Draft for all of them, and say for how many. Those that somebody works on are left out.

    What comes to less than nothing makes no invoice: ``last_credits`` gives it back.
    """
    many = 0
    after: uuid.UUID | None = None
    while True:
        drafts, after = _batch(now, seller, after)
        many += drafts
        if after is None:
            return many


@transaction.atomic
def _batch(now: datetime, seller: Seller, after: uuid.UUID | None) -> tuple[int, uuid.UUID | None]:
    """How many drafts, and the last of the billing details that were looked at."""
    profiles = {each.client_id: each for each in _clients(now, after)}
    if not profiles:
        return 0, None
    money = {client: each.currency for client, each in profiles.items()}
    found, looked_at = late_usage.of_clients(money, seller=seller, now=now)
    drafts = [
        _draft(profiles[client], charged, seller, now)
        for client, charged in found.items()
        if any(each.item.net > 0 for each in charged)
    ]
    Invoice.objects.bulk_create(drafts)
    different = {each.period.pk for charged in found.values() for each in charged}
    same = [each.pk for each in looked_at if each.pk not in different]
    BillingPeriod.objects.filter(pk__in=same).update(rated_at=now)
    return len(drafts), max(each.pk for each in profiles.values())


def clients(*, now: datetime) -> QuerySet[BillingProfile]:
    """Those with late usage, whose subscriptions have all been billed, and that have no draft."""
    of = {"client": OuterRef("client")}
    goes_on = Subscription.objects.filter(**of, next_billing_at__isnull=False)
    drafts = Invoice.objects.filter(**of, state=Invoice.State.DRAFT)
    late = late_usage.candidates(now=now).filter(subscription__client=OuterRef("client"))
    return BillingProfile.objects.filter(~Exists(goes_on), ~Exists(drafts), Exists(late))


def _clients(now: datetime, after: uuid.UUID | None) -> Sequence[BillingProfile]:
    last = clients(now=now)
    if after is not None:
        last = last.filter(pk__gt=after)
    chosen = last.order_by("pk")[:AT_ONCE]
    return list(chosen.select_for_update(skip_locked=True).prefetch_related("client"))


def _draft(
    profile: BillingProfile, charged: Sequence[Charged], seller: Seller, now: datetime
) -> Invoice:
    net = sum((each.item.net for each in charged), Decimal(0))
    return Invoice(
        id=uuid.uuid4(),
        client=profile.client,
        currency=profile.currency,
        first_day=min(each.period.first_day for each in charged),
        last_day=max(each.supplied_on for each in charged),
        drafted_at=now,
        issue_after=now + timedelta(hours=seller.grace_hours),
        net=max(net, Decimal(0)),
        total=max(net, Decimal(0)),
    )
