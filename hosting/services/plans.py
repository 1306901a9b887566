"""Make and change plans."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.db import transaction

from hosting.models import Instance, Plan
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid

LIMITS = ("cpus", "memory_mb", "disk_gb", "processes")
INCLUDED = ("included_executions", "included_tokens")
USAGE = (*INCLUDED, "at_limit")
KEPT = ("keep_daily", "keep_weekly", "keep_monthly", "keep_yearly", "point_in_time_days")


class PlanFields(TypedDict, total=False):
    """What can be said of a plan; memory in MiB, disk in GiB, backups kept in periods."""

    name: str
    description: str
    cpus: Decimal
    memory_mb: int
    disk_gb: int
    processes: int
    keep_daily: int
    keep_weekly: int
    keep_monthly: int
    keep_yearly: int
    point_in_time_days: int
    sla_tiers: list[list[float]]
    included_executions: int | None
    included_tokens: int | None
    at_limit: str
    is_active: bool
    position: int


@transaction.atomic
def create(*, slug: str, actor: Actor, **fields: Unpack[PlanFields]) -> Plan:
    """A new plan. Refused where a value is bad or the short name is taken."""
    plan = Plan(slug=slug, **fields)
    refuse_invalid(plan)
    plan.save(force_insert=True)
    audit.record(
        action="plan.created", actor=actor, obj=plan, after={"slug": slug, **_plain(fields)}
    )
    return plan


@transaction.atomic
def update(*, plan: Plan, actor: Actor, **fields: Unpack[PlanFields]) -> Plan:
    """Change what is given.

    Refused for the limits of a plan that is in use: its instances were placed by them, and what
    was promised to a client does not change by itself. More backups may be kept, never fewer: the
    next night would delete those that were promised.
    """
    locked = Plan.objects.select_for_update(no_key=True).get(pk=plan.pk)
    after = {name: value for name, value in fields.items() if value != getattr(locked, name)}
    if not after:
        return locked
    _keep_limits(locked, after)
    before = {name: getattr(locked, name) for name in after}
    for name, value in after.items():
        setattr(locked, name, value)
    refuse_invalid(locked)
    locked.save(update_fields=list(after))
    audit.record(
        action="plan.updated", actor=actor, obj=locked, before=_plain(before), after=_plain(after)
    )
    return locked


def _keep_limits(plan: Plan, after: dict[str, object]) -> None:
    changed = next((name for name in LIMITS if name in after), None)
    fewer = next((name for name in KEPT if _is_less(plan, after, name)), None)
    less = next((name for name in INCLUDED if _includes_less(plan, after, name)), None)
    field = changed or fewer or less
    if field is None:
        return
    in_use = plan.instances.exclude(state=Instance.State.DELETED).count()
    if in_use:
        instances = "1 instance runs" if in_use == 1 else f"{in_use} instances run"
        what = "it includes no less usage"
        if changed or fewer:
            what = "its limits stay" if changed else "it keeps no fewer backups"
        raise Refused(
            f"{instances} on this plan, so {what}: make a new plan and stop offering this one.",
            field=field,
        )


def _is_less(plan: Plan, after: dict[str, Any], name: str) -> bool:
    return name in after and after[name] < getattr(plan, name)


def _includes_less(plan: Plan, after: dict[str, Any], name: str) -> bool:
    """Whether less is to be included; empty is as much as one likes."""
    if name not in after or after[name] is None:
        return False
    return getattr(plan, name) is None or after[name] < getattr(plan, name)


def _plain(fields: PlanFields | dict[str, object]) -> dict[str, object]:
    return {
        name: str(value) if isinstance(value, Decimal) else value for name, value in fields.items()
    }
