"""Letting subscriptions follow their instances, and the moment at which each is due."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from billing.models import BillingProfile, Seller, Span, Subscription
from billing.services import periods
from billing.services.periods import Anchor, Days, Interval
from hosting.selectors import lifetimes
from hosting.selectors.lifetimes import Lifetime

LOCK = 0x42657274680B01  # pg_try_advisory_xact_lock: one that follows at a time
_DAY = timedelta(days=1)


@transaction.atomic
def follow(*, now: datetime) -> None:
    """Begin, change and end subscriptions as their instances did. Run twice it changes nothing.

    Nothing is done without a seller; an instance waits for its client's billing details, and is
    charged from its first day all the same.
    """
    seller = Seller.objects.first()
    if seller is None or not _alone():
        return
    _begin(seller, now)
    going_on = Subscription.objects.filter(end_day=None)
    lives = {life.instance_id: life for life in lifetimes.of(going_on.values("instance"))}
    rows = Span.objects.filter(end_day=None)
    spans = {
        instance: known
        for instance, *known in rows.values_list("subscription__instance", "plan", "is_suspended")
    }
    changed = [
        instance
        for instance, life in lives.items()
        if spans[instance] != [life.plan_id, life.is_suspended] or _has_ended(life, now)
    ]
    if changed:
        _follow_changes({instance: lives[instance] for instance in changed}, now)


def _follow_changes(lives: Mapping[uuid.UUID, Lifetime], now: datetime) -> None:
    rows = Subscription.objects.select_for_update(of=("self",)).filter(
        instance__in=lives, end_day=None
    )
    known = {each.instance_id: each for each in rows.select_related("client").order_by("pk")}
    still = {instance: life for instance, life in lives.items() if instance in known}
    _change_plans(known, still, now)
    _change_suspensions(known, still, now)
    for instance, life in still.items():
        if life.ended_at is not None and _has_ended(life, now):
            _end(known[instance], life.ended_at)


def _has_ended(life: Lifetime, now: datetime) -> bool:
    return life.ended_at is not None and life.ended_at <= now


def whole_period(subscription: Subscription) -> Days:
    """The period that the first day lies in that has not been billed."""
    return periods.period_at(
        subscription.unbilled_from,
        anchor=subscription.anchor,
        interval=Interval(subscription.interval),
    )


def next_days(subscription: Subscription) -> Days:
    """The days that are billed next: to the end of the period, or of the subscription."""
    end = whole_period(subscription).end
    if subscription.end_day is not None:
        end = min(end, subscription.end_day)
    return Days(subscription.unbilled_from, end)


def schedule(subscription: Subscription) -> None:
    """Set when it is due next: when the days that are billed next are over."""
    if subscription.end_day is not None and subscription.unbilled_from >= subscription.end_day:
        subscription.next_billing_at = None
        return
    end = periods.midnight(next_days(subscription).end, zone_of(subscription))
    subscription.next_billing_at = max(end, subscription.unbilled_at + timedelta(seconds=1))


def zone_of(subscription: Subscription) -> ZoneInfo:
    """Whose clock counts its days."""
    return ZoneInfo(subscription.client.timezone)


def _alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _begin(seller: Seller, now: datetime) -> None:
    """Subscriptions for the instances that have none."""
    profiles = {each.client_id: each for each in BillingProfile.objects.select_related("client")}
    new = lifetimes.started(
        clients=BillingProfile.objects.values("client"),
        besides=Subscription.objects.values("instance"),
    )
    made = []
    for life in new:
        subscription = _new(life, profiles[life.client_id], seller.bills_from)
        if subscription is not None and life.began_at <= now:
            made.append((subscription, life.plan_id))
    Subscription.objects.bulk_create([each for each, _ in made], batch_size=1000)
    Span.objects.bulk_create(
        [Span(subscription=each, plan_id=plan, first_day=each.first_day) for each, plan in made],
        batch_size=1000,
    )


def _new(life: Lifetime, profile: BillingProfile, bills_from: date) -> Subscription | None:
    """None where it ended before anything was charged."""
    zone = ZoneInfo(profile.client.timezone)
    first = max(periods.day_at(life.began_at, zone), bills_from)
    if life.ended_at is not None and periods.day_at(life.ended_at, zone) < first:
        return None
    interval = Interval(profile.interval)
    subscription = Subscription(
        id=uuid.uuid4(),
        client=profile.client,
        instance_id=life.instance_id,
        interval=interval,
        anchor_kind=profile.anchor,
        anchor=periods.anchor_of(Anchor(profile.anchor), interval=interval, first=first),
        first_day=first,
        unbilled_from=first,
        unbilled_at=periods.midnight(first, zone),
    )
    schedule(subscription)
    return subscription


def _change_plans(
    known: Mapping[uuid.UUID, Subscription], lives: Mapping[uuid.UUID, Lifetime], now: datetime
) -> None:
    """A span of the new plan for each whose instance is on another one."""
    spans = {
        span.subscription_id: span
        for span in Span.objects.filter(subscription__in=known.values(), end_day=None)
    }
    changed = [
        life for life in lives.values() if spans[known[life.instance_id].pk].plan_id != life.plan_id
    ]
    changes = lifetimes.plan_changes([life.instance_id for life in changed]) if changed else {}
    for life in changed:
        subscription = known[life.instance_id]
        at = min(changes.get(life.instance_id, now), now)
        span = spans[subscription.pk]
        day = max(periods.day_at(at, zone_of(subscription)), span.first_day)
        _switch(subscription, span, day, plan=life.plan_id, is_suspended=span.is_suspended)


def _change_suspensions(
    known: Mapping[uuid.UUID, Subscription], lives: Mapping[uuid.UUID, Lifetime], now: datetime
) -> None:
    """A span without use from the day after it was suspended, as that day has been used."""
    spans = {
        span.subscription_id: span
        for span in Span.objects.filter(subscription__in=known.values(), end_day=None)
    }
    for life in lives.values():
        subscription = known[life.instance_id]
        span = spans[subscription.pk]
        if life.is_suspended == span.is_suspended:
            continue
        if life.suspended_at is None:
            day = _today(subscription, now)
        else:
            day = periods.day_at(min(life.suspended_at, now), zone_of(subscription)) + _DAY
        _switch(subscription, span, day, plan=span.plan_id, is_suspended=life.is_suspended)


def _switch(
    subscription: Subscription, span: Span, day: date, *, plan: uuid.UUID, is_suspended: bool
) -> None:
    """From that day on something else is so. What has been billed stays as it was."""
    day = max(day, subscription.unbilled_from)
    if day <= span.first_day:
        span.plan_id, span.is_suspended = plan, is_suspended
        span.save(update_fields=["plan", "is_suspended"])
        return
    span.end_day = day
    span.save(update_fields=["end_day"])
    Span.objects.create(
        subscription=subscription, plan_id=plan, first_day=day, is_suspended=is_suspended
    )


def _end(subscription: Subscription, at: datetime) -> None:
    """Its last day is the one of that moment; what has been billed stays billed."""
    day = periods.day_at(at, zone_of(subscription)) + _DAY
    subscription.end_day = max(day, subscription.unbilled_from, subscription.first_day + _DAY)
    span = Span.objects.get(subscription=subscription, end_day=None)
    if span.first_day >= subscription.end_day:
        _drop_last(subscription, span)
    else:
        span.end_day = subscription.end_day
        span.save(update_fields=["end_day"])
    schedule(subscription)
    subscription.save(update_fields=["end_day", "next_billing_at"])


def _drop_last(subscription: Subscription, span: Span) -> None:
    """A suspension that was to begin after the end."""
    span.delete()
    Span.objects.filter(subscription=subscription, end_day__gt=subscription.end_day).update(
        end_day=subscription.end_day
    )


def _today(subscription: Subscription, now: datetime) -> date:
    return periods.day_at(now, zone_of(subscription))


def advance(subscriptions: Iterable[Subscription]) -> None:
    """Move each past the days that have just been taken to be billed."""
    moved = []
    for subscription in subscriptions:
        days = next_days(subscription)
        subscription.unbilled_from = days.end
        assert subscription.next_billing_at is not None  # noqa: S101  (it was due)
        subscription.unbilled_at = subscription.next_billing_at
        schedule(subscription)
        moved.append(subscription)
    _write_moved(moved)


_MOVE = """
UPDATE billing_subscription AS subscription SET problem = '', unbilled_from = told.unbilled_from,
    unbilled_at = told.unbilled_at, next_billing_at = told.next_billing_at
FROM unnest(%s::uuid[], %s::date[], %s::timestamptz[], %s::timestamptz[])
    AS told (id, unbilled_from, unbilled_at, next_billing_at)
WHERE subscription.id = told.id
"""


def _write_moved(moved: Sequence[Subscription]) -> None:
    """All of them in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            _MOVE,
            [
                [each.pk for each in moved],
                [each.unbilled_from for each in moved],
                [each.unbilled_at for each in moved],
                [each.next_billing_at for each in moved],
            ],
        )
