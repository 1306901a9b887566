"""Letting subscriptions follow their instances, and the moment at which each is due."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import F

from billing.models import BillingProfile, Following, Seller, Span, Subscription
from billing.services import periods, timelines
from billing.services.periods import Anchor, Days, Interval
from billing.services.timelines import Stage
from hosting.selectors import lifetimes
from hosting.selectors.lifetimes import Lifetime, Turn, Turns

LOCK = 0x42657274680B01  # pg_try_advisory_xact_lock: one that follows at a time
# What happened is dated before its transaction ends: some of it may be seen only the next time.
OVERLAP = timedelta(hours=1)
FIRST_LOOK = timedelta(days=2)
_DAY = timedelta(days=1)


def follow(*, now: datetime) -> None:
    """Begin, change and end subscriptions as their instances did. Run twice it changes nothing.

    What happened since the last time is followed turn by turn, however long ago that was. Nothing
    is done without a seller; an instance waits for its client's billing details, and is charged
    from its first day all the same. Where another one follows just now, that one does it.
    """
    _follow_moves()
    _follow_instances(now)


@transaction.atomic
def _follow_instances(now: datetime) -> None:
    seller = Seller.objects.first()
    if seller is None or not _alone():
        return
    turns = {**lifetimes.turns(since=_followed_until(now), until=now), **_begin(seller, now)}
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
        if spans[instance] != [life.plan_id, life.is_suspended]
        or instance in turns
        or _has_ended(life, now)
    ]
    if changed:
        _follow_changes({instance: lives[instance] for instance in changed}, turns, now)
    Following.objects.update_or_create(defaults={"until": now})


def _followed_until(now: datetime) -> datetime:
    """Since when to look for turns; some that are known are seen again, which changes nothing."""
    known = Following.objects.first()
    return min(known.until, now) - OVERLAP if known else now - FIRST_LOOK


def _follow_changes(lives: Mapping[uuid.UUID, Lifetime], turns: Turns, now: datetime) -> None:
    rows = Subscription.objects.select_for_update(of=("self",)).filter(
        instance__in=lives, end_day=None
    )
    known = {each.instance_id: each for each in rows.select_related("client").order_by("pk")}
    spans = _unbilled_spans(known.values())
    for instance, subscription in known.items():
        life, own = lives[instance], spans[subscription.pk]
        stages = [Stage(span.first_day, span.plan_id, span.is_suspended) for span in own]
        for turn in turns.get(instance, ()):
            stages = _turned(stages, turn, subscription)
        for turn in _not_told(stages[-1], life, now):
            stages = _turned(stages, turn, subscription)
        if life.ended_at is not None and _has_ended(life, now):
            _end(subscription, life.ended_at)
        _write_spans(subscription, own, stages)


def _unbilled_spans(of: Iterable[Subscription]) -> Mapping[uuid.UUID, Sequence[Span]]:
    """Those of each with days that have not been billed yet, in order; there is one at least."""
    rows = Span.objects.filter(subscription__in=of).exclude(
        end_day__lte=F("subscription__unbilled_from")
    )
    found: dict[uuid.UUID, list[Span]] = defaultdict(list)
    for span in rows.order_by("first_day"):
        found[span.subscription_id].append(span)
    return found


def _turned(stages: Sequence[Stage], turn: Turn, subscription: Subscription) -> list[Stage]:
    """A day on which it was suspended has been used. What has been billed stays as it was."""
    day = subscription.client.clock.day_at(turn.at) + _DAY * bool(turn.is_suspended)
    day = max(day, subscription.unbilled_from)
    return timelines.turned(stages, day, plan=turn.plan_id, is_suspended=turn.is_suspended)


def _not_told(last: Stage, life: Lifetime, now: datetime) -> Iterator[Turn]:
    """How the instance is, where nothing that is known to have happened led there."""
    if last.plan != life.plan_id:
        yield Turn(now, plan_id=life.plan_id)
    if last.is_suspended != life.is_suspended:
        at = now if life.suspended_at is None else min(life.suspended_at, now)
        yield Turn(at, is_suspended=life.is_suspended)


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
    end = subscription.client.clock.begin_of(next_days(subscription).end)
    subscription.next_billing_at = max(end, subscription.unbilled_at + timedelta(seconds=1))


def _alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _follow_moves() -> None:
    """Set anew what was set before the client moved to another time zone.

    A move changes only days that begin after it, and a begin that is to come. So what is due is
    never touched, and every run does this before it looks for what is due.
    """
    moved = Subscription.objects.filter(next_billing_at__isnull=False).exclude(client__zones=[])
    rows = moved.select_related("client").order_by("pk")
    other = [each.pk for each in rows if _schedule_anew(each)]
    if not other:
        return
    with transaction.atomic():
        for subscription in rows.filter(pk__in=other).select_for_update(of=("self",)):
            if _schedule_anew(subscription):
                subscription.save(update_fields=["unbilled_at", "next_billing_at"])


def _schedule_anew(subscription: Subscription) -> bool:
    """Whether that is another moment than before."""
    before = subscription.unbilled_at, subscription.next_billing_at
    if subscription.unbilled_from == subscription.first_day:
        subscription.unbilled_at = subscription.client.clock.begin_of(subscription.first_day)
    schedule(subscription)
    return before != (subscription.unbilled_at, subscription.next_billing_at)


def _begin(seller: Seller, now: datetime) -> Turns:
    """Subscriptions for the instances that have none; all that happened to those meanwhile."""
    profiles = {each.client_id: each for each in BillingProfile.objects.select_related("client")}
    new = lifetimes.started(
        clients=BillingProfile.objects.values("client"),
        besides=Subscription.objects.values("instance"),
    )
    made = []
    for life in new:
        subscription = _new(life, profiles[life.client_id], seller.bills_from)
        if subscription is not None and life.began_at <= now:
            made.append((subscription, life))
    if not made:
        return {}
    turns = lifetimes.turns_of([life.instance_id for _, life in made], until=now)
    Subscription.objects.bulk_create([each for each, _ in made], batch_size=1000)
    Span.objects.bulk_create(
        [
            Span(subscription=each, plan_id=_first_plan(life, turns), first_day=each.first_day)
            for each, life in made
        ],
        batch_size=1000,
    )
    return turns


def _first_plan(life: Lifetime, turns: Turns) -> uuid.UUID:
    """What it was ordered with."""
    before = (turn.plan_before for turn in turns.get(life.instance_id, ()))
    return next((plan for plan in before if plan is not None), life.plan_id)


def _new(life: Lifetime, profile: BillingProfile, bills_from: date) -> Subscription | None:
    """None where it ended before anything was charged."""
    clock = profile.client.clock
    first = max(clock.day_at(life.began_at), bills_from)
    if life.ended_at is not None and clock.day_at(life.ended_at) < first:
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
        unbilled_at=clock.begin_of(first),
    )
    schedule(subscription)
    return subscription


def _end(subscription: Subscription, at: datetime) -> None:
    """Its last day is the one of that moment; what has been billed stays billed."""
    day = subscription.client.clock.day_at(at) + _DAY
    subscription.end_day = max(day, subscription.unbilled_from, subscription.first_day + _DAY)
    schedule(subscription)
    subscription.save(update_fields=["end_day", "next_billing_at"])


def _write_spans(subscription: Subscription, spans: Sequence[Span], stages: list[Stage]) -> None:
    """Make those spans into the stages, to the end if there is one.

    In an order in which no two overlap at any time.
    """
    end = subscription.end_day
    kept = [each for each in stages if end is None or each.first < end]
    ends = dict(zip(kept, [*(each.first for each in kept[1:]), end], strict=False))
    firsts = {each.first for each in kept}
    Span.objects.filter(pk__in=[e.pk for e in spans if e.first_day not in firsts]).delete()
    known = {each.first_day: each for each in spans}
    new = []
    for stage, end_day in ends.items():
        told = {"plan_id": stage.plan, "is_suspended": stage.is_suspended, "end_day": end_day}
        span = known.get(stage.first)
        if span is None:
            new.append(Span(subscription=subscription, first_day=stage.first, **told))
        elif any(getattr(span, name) != value for name, value in told.items()):
            Span.objects.filter(pk=span.pk).update(**told)
    Span.objects.bulk_create(new)


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
