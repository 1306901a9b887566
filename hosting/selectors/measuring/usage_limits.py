"""What plans include a month, what of it was used, and what is held back for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from hosting.models import Instance, UsageHold, UsageLimit
from hosting.selectors.measuring import usage

BLOCKED: Mapping[str, tuple[str, ...]] = {
    UsageLimit.EXECUTIONS: ("executions",),
    UsageLimit.TOKENS: ("llm",),
    UsageLimit.COST: ("llm",),
}
"""Which types of events are refused once a limit is used up."""


@dataclass(frozen=True, slots=True)
class Use:
    """How much of a limit an instance has used in a month of its client's."""

    instance: Instance
    limit: UsageLimit
    used: Decimal
    allowed: Decimal
    unit: str
    month: date

    @property
    def percent(self) -> int:
        """Of what is included; all of it only when it is all."""
        return int(100 * self.used / self.allowed) if self.allowed else 100


def holds(instance: Instance) -> Sequence[UsageHold]:
    """What is held back of the instance now."""
    return list(instance.usage_holds.filter(lifted_at=None).order_by("since"))


def blocked(instance: Instance) -> Mapping[str, tuple[datetime, datetime]]:
    """The types of events that are refused: since when, and until the month is over. One query.

    None for what is stopped: what it used until it came to an end was used.
    """
    blocks = UsageHold.objects.filter(kind=UsageHold.Kind.BLOCK)
    active = blocks.filter(instance=instance.pk, lifted_at=None)
    return {
        meter: (hold.since, usage.end_of(hold.month, instance.client))
        for hold in active.order_by("-since")
        for meter in BLOCKED[hold.limit]
    }


def stopping(instance: Instance) -> UsageHold | None:
    """The hold for which the instance may not run."""
    stops = instance.usage_holds.filter(lifted_at=None, kind=UsageHold.Kind.STOP)
    return stops.order_by("since").first()


def usage_paths(instance: Instance) -> tuple[str, ...]:
    """The paths by which the app is made to use more: the edge refuses them with what is below."""
    return tuple(instance.definition["berth"].get("usage_paths", ()))


def refused(instance: Instance) -> str:
    """What is refused of the instance where its plan says that new usage is."""
    if usage_paths(instance):
        return "requests that would use more are refused"
    return "new usage that it reports is refused"


def sentence(hold: UsageHold) -> str:
    """What is held back, why, and when that ends, for the client."""
    allowed = f"{hold.allowed.normalize():,f} {hold.unit}"
    is_stop = hold.kind == UsageHold.Kind.STOP
    what = "It is stopped" if is_stop else refused(hold.instance).capitalize()
    return (
        f"{what}: the {allowed} that its plan includes for {hold.month:%B %Y} are used up."
        " That ends with the month, or with a larger plan."
    )


def of_month(instance: Instance, now: datetime) -> Sequence[Use]:
    """What the instance has used of its plan's executions and tokens this month."""
    month = usage.month_of(instance.client, now)
    return [
        Use(
            instance=instance,
            limit=limit,
            used=usage.totals([instance.pk], month=month, names=names).get(instance.pk, Decimal(0)),
            allowed=Decimal(allowed),
            unit=unit,
            month=month,
        )
        for limit, names, unit, field in COUNTED
        if (allowed := getattr(instance.plan, field)) is not None
    ]


COUNTED: Sequence[tuple[UsageLimit, tuple[str, ...], str, str]] = (
    (UsageLimit.EXECUTIONS, ("executions",), "executions", "included_executions"),
    (UsageLimit.TOKENS, usage.TOKENS, "tokens", "included_tokens"),
)
"""Limit, meters, unit and the plan's field."""
