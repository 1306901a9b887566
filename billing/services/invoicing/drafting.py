"""Taking due periods to be billed: a row for each period, and a draft with its lines.

A client's periods that were due at the same moment make one draft, the oldest first. Whoever drafts
holds the client's billing details locked, and the rows of the periods come first: were another run
at the same, the database would refuse its period.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, QuerySet

from billing import currencies
from billing.models import (
    BillingPeriod,
    BillingProfile,
    Invoice,
    Seller,
    Subscription,
)
from billing.services import copying, discounts, subscriptions, vat
from billing.services.invoicing import gathering, line_rows, planning, snapshots
from billing.services.invoicing.gathering import Wanted
from billing.services.invoicing.line_rows import Charged
from billing.services.periods import Days
from tenants.errors import Refused

AT_ONCE = 250


@dataclass
class Done:
    """What a batch came to: how many drafts of how much, and which clients could not be billed."""

    drafts: int = 0
    nets: dict[str, Decimal] = field(default_factory=dict)  # of the drafts, by currency
    clients: int = 0
    refused: set[uuid.UUID] = field(default_factory=set)
    last: uuid.UUID | None = None  # of the billing details: what the next batch comes after


@dataclass
class _Group:
    """What of a client is due at one moment; ``items`` are its lines, period by period."""

    profile: BillingProfile
    subscriptions: Sequence[Subscription]
    wanted: Sequence[Wanted]
    charged: list[Charged] = field(default_factory=list)
    periods: list[BillingPeriod] = field(default_factory=list)


def draft_some(
    *,
    now: datetime,
    seller: Seller,
    after: uuid.UUID | None = None,
    besides: Collection[uuid.UUID] = (),
    at_most: int = AT_ONCE,
) -> Done:
    """Draft for some of the clients that something is due for, in one transaction.

    Those whose billing details have an id above ``after``, and are not ``besides``, in order of it.
    Where the database refuses a batch, its clients are taken one by one, so that one keeps nobody
    from being billed. Clients that somebody else works on are left out.
    """
    due = _due(now).exclude(client__in=besides)
    if after is not None:
        due = due.filter(pk__gt=after)
    try:
        return _batch(now, seller, due[:at_most])
    except IntegrityError:
        done = Done()
        for pk in due.values_list("pk", flat=True)[:at_most]:
            done.last = pk
            _alone(now, seller, pk, done)
        return done


def due_clients(*, now: datetime) -> QuerySet[BillingProfile]:
    """The clients that something is due for."""
    return _due(now)


def _alone(now: datetime, seller: Seller, pk: uuid.UUID, done: Done) -> None:
    try:
        one = _batch(now, seller, _due(now).filter(pk=pk))
    except IntegrityError as error:
        client = BillingProfile.objects.values_list("client", flat=True).get(pk=pk)
        due = Subscription.objects.filter(client=client, next_billing_at__lte=now)
        due.update(problem=f"The database refused it: {str(error).splitlines()[0]}")
        done.refused.add(client)
        return
    done.drafts += one.drafts
    for currency, net in one.nets.items():
        done.nets[currency] = done.nets.get(currency, Decimal(0)) + net
    done.clients += one.clients
    done.refused |= one.refused


def _due(now: datetime) -> QuerySet[BillingProfile]:
    due = Subscription.objects.filter(client=OuterRef("client"), next_billing_at__lte=now)
    return BillingProfile.objects.filter(planning.ExistsForEach(due)).order_by("pk")


@transaction.atomic
def _batch(now: datetime, seller: Seller, profiles: QuerySet[BillingProfile]) -> Done:
    planning.by_index()
    locked = profiles.select_for_update(skip_locked=True)
    found_profiles = list(locked.prefetch_related("client"))
    groups = _groups(found_profiles, now)
    last = found_profiles[-1].pk if found_profiles else None
    done = Done(clients=len(found_profiles), last=last)
    wanted = [each for group in groups for each in group.wanted]
    answers = iter(gathering.items(wanted, seller=seller))
    found = discounts.of({each.subscription.pk for each in wanted})
    fine = []
    for group in groups:
        refused = _fill(group, [next(answers) for _ in group.wanted], found, now)
        if refused is None:
            fine.append(group)
        else:
            _note(group, refused)
            done.refused.add(group.profile.client_id)
    for draft in _write(fine, now, seller):
        done.drafts += 1
        done.nets[draft.currency] = done.nets.get(draft.currency, Decimal(0)) + draft.net
    return done


def _groups(profiles: Sequence[BillingProfile], now: datetime) -> list[_Group]:
    """What is due first of each client; locked."""
    rows = Subscription.objects.filter(
        client__in=[each.client_id for each in profiles], next_billing_at__lte=now
    )
    locked = list(rows.order_by("pk").select_for_update())
    due: dict[uuid.UUID, list[Subscription]] = {}
    for each in sorted(locked, key=lambda one: (one.next_billing_at, one.first_day, one.pk)):
        due.setdefault(each.client_id, []).append(each)
    return [_group(each, due[each.client_id]) for each in profiles if each.client_id in due]


def _group(profile: BillingProfile, due: Sequence[Subscription]) -> _Group:
    first = [each for each in due if each.next_billing_at == due[0].next_billing_at]
    for each in first:
        each.client = profile.client
    wanted = [
        Wanted(
            each,
            subscriptions.next_days(each),
            subscriptions.whole_period(each),
            profile.currency,
        )
        for each in first
    ]
    return _Group(profile, first, wanted)


def _fill(
    group: _Group, answers: Sequence[gathering.Answer], found: discounts.Found, now: datetime
) -> Refused | None:
    """The group's periods and lines, or why there can be none."""
    exponent = currencies.exponent(group.profile.currency)
    for wanted, answer in zip(group.wanted, answers, strict=True):
        if isinstance(answer, Refused):
            return answer
        period = _period(wanted, now)
        own = found.get(wanted.subscription.pk, ())
        off = discounts.lines(own, answer, days=wanted.billed, exponent=exponent)
        group.periods.append(period)
        group.charged += [
            Charged(item, wanted.subscription, period, last_day(wanted.billed))
            for item in (*answer, *off)
        ]
    return None


def last_day(days: Days) -> date:
    """The last day that is in it."""
    return days.end - timedelta(days=1)


def _period(wanted: Wanted, now: datetime) -> BillingPeriod:
    subscription = wanted.subscription
    assert subscription.next_billing_at is not None  # noqa: S101  (it is due)
    return BillingPeriod(
        id=uuid.uuid4(),
        subscription=subscription,
        first_day=wanted.billed.first,
        end_day=wanted.billed.end,
        starts_at=subscription.unbilled_at,
        ends_at=subscription.next_billing_at,
        rated_at=now,
    )


def _write(groups: Sequence[_Group], now: datetime, seller: Seller) -> Sequence[Invoice]:
    """Periods first; then drafts for those that have something to charge, and their lines."""
    drafts: list[Invoice] = []
    lines: list[line_rows.Row] = []
    for group in groups:
        if not group.charged:
            continue
        draft = _draft(group, now, seller)
        drafts.append(draft)
        for period in group.periods:
            period.invoice = draft
        lines += _lines(draft, group, seller)
    # A period's invoice may come after it: that is looked at when the transaction ends.
    copying.write_all([period for group in groups for period in group.periods])
    copying.write_all(drafts)
    line_rows.write(lines)
    subscriptions.advance(each for group in groups for each in group.subscriptions)
    return drafts


def _lines(draft: Invoice, group: _Group, seller: Seller) -> Iterator[line_rows.Row]:
    """Their VAT is as it is decided now, where it can be: it is decided again at the issue."""
    for place, each in enumerate(group.charged, start=1):
        try:
            tax = snapshots.decide(seller=seller, buyer=group.profile, on=each.supplied_on)
        except vat.Undecided:
            tax = None
        yield line_rows.row(draft.pk, place, each, tax)


def _draft(group: _Group, now: datetime, seller: Seller) -> Invoice:
    """Its total is without VAT: that is decided at the issue."""
    net = sum((each.item.net for each in group.charged), Decimal(0))
    return Invoice(
        id=uuid.uuid4(),
        client=group.profile.client,
        currency=group.profile.currency,
        first_day=min(period.first_day for period in group.periods),
        last_day=max(period.end_day for period in group.periods) - timedelta(days=1),
        drafted_at=now,
        issue_after=now + timedelta(hours=seller.grace_hours),
        net=net,
        total=net,
    )


def _note(group: _Group, refused: Refused) -> None:
    pks = [each.pk for each in group.subscriptions]
    Subscription.objects.filter(pk__in=pks).update(problem=refused.message)
