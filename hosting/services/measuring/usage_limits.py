"""Holding instances to what their plans include a month: told of, blocked, or stopped; and undone.

``settle`` may be called at any time and as often as one likes: it looks at how things are, and
changes what is not as it should be.
"""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, QuerySet

from hosting.models import Instance, LimitReached, Operation, Plan, UsageHold
from hosting.selectors.measuring import usage
from hosting.selectors.measuring.usage_limits import COUNTED, Use
from hosting.services import edge
from hosting.services import instances as verbs
from hosting.services.measuring import limit_notices
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

logger = logging.getLogger(__name__)

THRESHOLDS = (50, 80, 100)
BY = Actor.system("limits")
_RUNS = (Instance.State.RUNNING, Instance.State.DEGRADED)
Said = tuple[uuid.UUID, str, date, int, Decimal]  # instance, limit, month, percent, of how much


def check(*, now: datetime) -> None:
    """Hold all instances to the executions and tokens that their plans include."""
    settle(limits=[limit for limit, *_ in COUNTED], uses=list(_uses(now)), now=now)


def limited(*, plans: Collection[uuid.UUID]) -> QuerySet[Instance]:
    """The clients' instances on these plans, with what has to be known of them."""
    existing = Instance.objects.filter(purpose=Instance.Purpose.CLIENT, plan__in=plans)
    known = existing.exclude(state=Instance.State.DELETED).select_related("client", "plan")
    return known.defer("definition", "expected", "image_pins")


def settle(*, limits: Collection[str], uses: Sequence[Use], now: datetime) -> None:
    """Tell of thresholds, hold back what is used up, and let go of what is not any more.

    ``uses`` are all uses of these limits. One instance's trouble is its own.
    """
    held = UsageHold.objects.filter(lifted_at=None, limit__in=limits)
    told = _told(uses)
    active = {(hold.instance_id, hold.limit): hold for hold in held.select_related("instance")}
    for use in uses:
        hold = active.pop((use.instance.pk, use.limit), None)
        try:
            _tell(use, told, now)
            _apply(use, hold, now)
        except Exception:
            logger.exception("limits of instance %s could not be settled", use.instance.pk)
    for hold in active.values():  # of plans without such a limit
        try:
            _lift(hold, now)
        except Exception:
            logger.exception("limits of instance %s could not be settled", hold.instance_id)


def _uses(now: datetime) -> Iterable[Use]:
    some = Q(included_executions__isnull=False) | Q(included_tokens__isnull=False)
    plans = Plan.objects.filter(some).values_list("pk", flat=True)
    months: dict[date, list[Instance]] = defaultdict(list)
    for instance in limited(plans=list(plans)):
        months[usage.month_of(instance.client, now)].append(instance)
    for month, instances in months.items():
        for limit, names, unit, field in COUNTED:
            used = usage.totals([each.pk for each in instances], month=month, names=names)
            for instance in instances:
                allowed = getattr(instance.plan, field)
                if allowed is not None:
                    amount = used.get(instance.pk, Decimal(0))
                    yield Use(instance, limit, amount, Decimal(allowed), unit, month)


def _told(uses: Sequence[Use]) -> set[Said]:
    """What was said of these months already. One query, whatever was used."""
    months = {use.month for use in uses}
    told = LimitReached.objects.filter(month__in=months, told_at__isnull=False)
    return set(told.values_list("instance", "limit", "month", "threshold", "allowed"))


def _tell(use: Use, told: set[Said], now: datetime) -> None:
    """Say each threshold of what is included once a month; what an error kept back is told now."""
    for threshold in THRESHOLDS:
        if use.percent < threshold:
            return
        if (use.instance.pk, use.limit, use.month, threshold, use.allowed) in told:
            continue
        _say(use, threshold, now)


@transaction.atomic
def _say(use: Use, threshold: int, now: datetime) -> None:
    """Remember the threshold, and tell of it if that was not done: both, or neither."""
    reached, _ = LimitReached.objects.get_or_create(
        instance=use.instance,
        limit=use.limit,
        month=use.month,
        threshold=threshold,
        allowed=use.allowed,
        defaults={"used": use.used, "unit": use.unit, "reached_at": now},
    )
    if reached.told_at is None:
        limit_notices.tell(reached=reached, now=now)
        LimitReached.objects.filter(pk=reached.pk).update(told_at=now)


def _apply(use: Use, hold: UsageHold | None, now: datetime) -> None:
    kind = _KINDS.get(use.instance.plan.at_limit)
    if kind is None or use.used < use.allowed:
        if hold is not None:
            _lift(hold, now)
        return
    if hold is None:
        hold = _begin(use, kind, now)
    elif (hold.kind, hold.month) != (kind, use.month):
        hold = _replace(hold, use, kind, now)
    elif (hold.allowed, hold.unit) != (use.allowed, use.unit):  # more, and that is used up too
        UsageHold.objects.filter(pk=hold.pk).update(allowed=use.allowed, unit=use.unit)
    if hold.kind == UsageHold.Kind.STOP and use.instance.state in _RUNS:
        _stop(hold, now)  # also where a restore, say, has brought it up again


_KINDS: dict[str, UsageHold.Kind] = {
    Plan.AtLimit.BLOCK: UsageHold.Kind.BLOCK,
    Plan.AtLimit.STOP: UsageHold.Kind.STOP,
}


@transaction.atomic
def _begin(use: Use, kind: UsageHold.Kind, now: datetime) -> UsageHold:
    hold = UsageHold.objects.create(
        instance=use.instance,
        limit=use.limit,
        kind=kind,
        month=use.month,
        allowed=use.allowed,
        unit=use.unit,
        since=now,
    )
    _show(hold)
    told = {"limit": use.limit, "then": str(kind), "used": str(use.used)}
    audit.record(
        action="instance.limit_used_up",
        actor=BY,
        client=use.instance.client,
        obj=use.instance,
        after=told,
    )
    return hold


@transaction.atomic
def _replace(hold: UsageHold, use: Use, kind: UsageHold.Kind, now: datetime) -> UsageHold:
    """Hold back in another way, or in another month: nobody is told that it was over in between.

    Where what was stopped can't be started just now, it stays as it is until the next time.
    """
    if not _lift(hold, now, is_over=False):
        return hold
    following = _begin(use, kind, now)
    if hold.month == following.month:  # of another month the thresholds have told already
        limit_notices.tell_other(hold=following, now=now)
    return following


def _stop(hold: UsageHold, now: datetime) -> None:
    """Stop what runs. Where that can't be asked for just now, it is the next time."""
    instance = Instance.objects.get(pk=hold.instance_id)
    try:
        with transaction.atomic():
            verbs.stop(instance=instance, actor=BY)
            UsageHold.objects.filter(pk=hold.pk).update(stopped_at=now)
    except Refused as refused:
        logger.info("instance %s is to be stopped: %s", instance.pk, refused.message)


def _lift(hold: UsageHold, now: datetime, *, is_over: bool = True) -> bool:
    """Let go; whether that was possible, and tell of it where it ``is_over``.

    What was stopped for it starts again, unless it is stopped for another one too.
    """
    instance = Instance.objects.get(pk=hold.instance_id)
    try:
        with transaction.atomic():
            UsageHold.objects.filter(pk=hold.pk).update(lifted_at=now)
            _show(hold)
            if hold.stopped_at is not None and _may_start(instance):
                _start(instance)
            if is_over and not instance.is_deleted:
                limit_notices.tell_over(hold=hold, now=now)
            audit.record(
                action="instance.limit_lifted",
                actor=BY,
                client=instance.client,
                obj=instance,
                after={"limit": hold.limit},
            )
    except Refused as refused:  # it is tried again the next time, and held until then
        logger.info("instance %s is to be started: %s", instance.pk, refused.message)
        return False
    return True


def _show(hold: UsageHold) -> None:
    """Have the edge refuse what would use more, or let it pass again."""
    if hold.kind == UsageHold.Kind.BLOCK:
        edge.want_publish()


def _start(instance: Instance) -> None:
    """Now, or where it is suspended when that ends."""
    if instance.suspended_at is None:
        verbs.start(instance=instance, actor=BY)
    else:
        Instance.objects.filter(pk=instance.pk).update(starts_again=True)


def _may_start(instance: Instance) -> bool:
    others = instance.usage_holds.filter(lifted_at=None, kind=UsageHold.Kind.STOP)
    stopping = instance.operations.filter(
        kind=Operation.Kind.STOP, state__in=(Operation.State.QUEUED, Operation.State.RUNNING)
    )
    is_stopped = instance.state == Instance.State.STOPPED or stopping.exists()
    return is_stopped and not others.exists()
