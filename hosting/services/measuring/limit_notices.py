"""Telling a client how much of what its plan includes is used, and when it is over."""

from __future__ import annotations

from datetime import date, datetime

from django.urls import reverse

from hosting.models import LimitReached, Plan, Severity, Topic, UsageHold, UsageLimit
from hosting.selectors.measuring import usage_limits
from hosting.services.telling import notifications

_FOLLOWS = {
    Plan.AtLimit.NOTIFY: "Nothing else happens at 100 %.",
    Plan.AtLimit.BLOCK: "At 100 % {refused} until the month is over.",
    Plan.AtLimit.STOP: "At 100 % the instance is stopped until the month is over.",
}
_FOLLOWED = {
    Plan.AtLimit.NOTIFY: "It goes on as before.",
    Plan.AtLimit.BLOCK: "From now on {refused} until the month is over, or it gets a larger plan.",
    Plan.AtLimit.STOP: "It is stopped until the month is over, or it gets a larger plan.",
}


def tell(*, reached: LimitReached, now: datetime) -> None:
    """Say that a threshold was reached, once. The caller is in a transaction, and marks it."""
    instance = reached.instance
    is_all = reached.threshold >= 100
    then = Plan.AtLimit(instance.plan.at_limit)
    what = UsageLimit(reached.limit).label.lower()
    follows = (_FOLLOWED if is_all else _FOLLOWS)[then]
    notifications.notify(
        topic=Topic.BUDGET,
        severity=_severity(then, is_all=is_all),
        key=_key(reached, reached.threshold),
        title=f"{instance.name}: {reached.threshold} % of its {what} used",
        text=(
            f"Used are {_number(reached)} {reached.unit} that the plan {instance.plan} includes"
            f" for {reached.month:%B %Y}. {follows.format(refused=usage_limits.refused(instance))}"
        ),
        now=now,
        client=instance.client,
        instance=instance,
        path=reverse("instance", args=[instance.client.slug, instance.name]),
        data={"limit": str(reached.limit), "percent": reached.threshold, "unit": reached.unit},
    )


def tell_other(*, hold: UsageHold, now: datetime) -> None:
    """Say what follows from now on, where it is something else than was said before.

    Once for each hold: what was said may follow again, after something else did.
    """
    instance = hold.instance
    what = UsageLimit(hold.limit).label.lower()
    then = Plan.AtLimit(hold.kind)
    follows = _FOLLOWED[then].format(refused=usage_limits.refused(instance))
    notifications.notify(
        topic=Topic.BUDGET,
        severity=_severity(then, is_all=True),
        key=f"{_key(hold, 100)}:{hold.pk}",
        title=f"{instance.name}: another consequence of all {what} used",
        text=f"Its plan says something else of {what} that are used up now. {follows}",
        now=now,
        client=instance.client,
        instance=instance,
        path=reverse("instance", args=[instance.client.slug, instance.name]),
        data={"limit": str(hold.limit), "percent": 100, "unit": hold.unit},
    )


def tell_over(*, hold: UsageHold, now: datetime) -> None:
    """Say that what was held back is held back no more, to those who were told that it was."""
    what = UsageLimit(hold.limit).label.lower()
    notifications.notify(
        topic=Topic.BUDGET,
        severity=Severity.INFO,
        key=_key(hold, 100),
        title=f"{hold.instance.name}: its {what} are limited no more",
        text="The month is over, or its plan includes more now or holds nothing back any more.",
        now=now,
        client=hold.instance.client,
        instance=hold.instance,
        is_over=True,
    )


def _severity(then: Plan.AtLimit, *, is_all: bool) -> Severity:
    if is_all and then == Plan.AtLimit.STOP:
        return Severity.CRITICAL
    return Severity.WARNING if is_all or then != Plan.AtLimit.NOTIFY else Severity.INFO


def _key(of: LimitReached | UsageHold, threshold: int) -> str:
    month: date = of.month
    return f"limit:{of.instance_id}:{of.limit}:{month:%Y-%m}:{of.allowed.normalize():f}:{threshold}"


def _number(reached: LimitReached) -> str:
    return f"{reached.used.normalize():,f} of {reached.allowed.normalize():,f}"
