"""Warnings that an instance comes near a limit of its plan: opened, kept true, and closed.

All instances are looked at in a number of queries that does not grow with them.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from hosting.models import Instance, LimitWarning, Plan, Severity, Topic
from hosting.selectors.measuring import limits
from hosting.selectors.measuring.limits import DAYS_LEFT, FORECAST_FROM, Finding, Strain
from hosting.services.telling import notifications

Kind = LimitWarning.Kind


@dataclass
class _Round:
    """What is to be written."""

    opened: list[LimitWarning] = field(default_factory=list)
    changed: list[LimitWarning] = field(default_factory=list)
    over: list[uuid.UUID] = field(default_factory=list)


@transaction.atomic
def watch(*, now: datetime) -> None:
    """Compare every instance that runs with its limits. What does not run is warned of nothing."""
    open_now = {
        (each.instance_id, Kind(each.kind)): each
        for each in LimitWarning.objects.select_for_update().filter(closed_at=None)
    }
    strains = {each.instance: each for each in limits.strains(now=now)}
    instances = limits.plans_of(strains.keys())
    grows = limits.growths(_filling(strains, instances), today=now.date())
    offered = list(Plan.objects.filter(is_active=True))
    todo = _Round(over=[row.pk for (pk, _), row in open_now.items() if pk not in strains])
    for pk, strain in strains.items():
        for kind in Kind:
            row = open_now.get((pk, kind))
            finding = _find(strain, kind, instances[pk], row, offered, grows.get(pk, 0.0), now)
            _plan(todo, instances[pk], kind, row, finding, now)
    LimitWarning.objects.bulk_create(todo.opened, ignore_conflicts=True)
    LimitWarning.objects.bulk_update(todo.changed, ["summary", "plan", "full_date"])
    LimitWarning.objects.filter(pk__in=todo.over).update(closed_at=now)
    for warning in _with_clients([each.pk for each in todo.opened]):
        _tell(warning, text=_advice(warning), now=now, is_over=False)
    for warning in _with_clients(todo.over):
        text = "It is well within its plan's limit again, or does not run."
        _tell(warning, text=text, now=now, is_over=True)


def _with_clients(warnings: list[uuid.UUID]) -> QuerySet[LimitWarning]:
    """Those that are there: another process may have been quicker to open some of them."""
    there = LimitWarning.objects.filter(pk__in=warnings)
    return there.select_related("instance__client", "plan").order_by("opened_at", "pk")


def _tell(warning: LimitWarning, *, text: str, now: datetime, is_over: bool) -> None:
    instance = warning.instance
    title = f"{instance.name}: {warning}"
    notifications.notify(
        topic=Topic.USAGE,
        severity=Severity.INFO if is_over else Severity.WARNING,
        key=f"limit-warning:{warning.pk}",
        title=f"Over: {title}" if is_over else title,
        text=text,
        now=now,
        client=instance.client,
        instance=instance,
        path=reverse("instance", args=[instance.client.slug, instance.name]),
        data={"kind": str(warning.kind), "opened_at": warning.opened_at.isoformat()},
        is_over=is_over,
    )


def _advice(warning: LimitWarning) -> str:
    if warning.plan is None:
        return warning.summary
    return f"{warning.summary} The plan {warning.plan} would be enough."


def _find(
    strain: Strain,
    kind: Kind,
    instance: Instance,
    row: LimitWarning | None,
    offered: list[Plan],
    grows: float,
    now: datetime,
) -> Finding | bool:
    """What is to be said, or whether what is said already stays."""
    today = instance.client.clock.day_at(now)
    is_open = row is not None
    strained = limits.is_strained(strain, kind, instance.plan, is_open=is_open)
    if strained is None:
        return is_open
    if kind is Kind.DISK and not strained:
        strained = _fills_soon(strain, instance.plan, grows, today, is_open=is_open)
    if not strained:
        return False
    return limits.find(strain, kind, instance.plan, offered, grows=grows, today=today)


def _fills_soon(strain: Strain, plan: Plan, grows: float, today: date, *, is_open: bool) -> bool:
    full = limits.full_date(strain, plan, grows, today=today)
    opens, stays = DAYS_LEFT
    return full is not None and (full - today).days <= (stays if is_open else opens)


def _plan(
    todo: _Round,
    instance: Instance,
    kind: Kind,
    row: LimitWarning | None,
    finding: Finding | bool,
    now: datetime,
) -> None:
    if isinstance(finding, bool):
        if row is not None and not finding:
            todo.over.append(row.pk)
        return
    said = {"summary": finding.summary, "plan": finding.plan, "full_date": finding.full_date}
    if row is None:
        todo.opened.append(LimitWarning(instance=instance, kind=kind, opened_at=now, **said))
    elif any(getattr(row, name) != value for name, value in _columns(said).items()):
        for name, value in said.items():
            setattr(row, name, value)
        todo.changed.append(row)


def _columns(said: Mapping[str, object]) -> dict[str, object]:
    """The same by columns, so that comparing loads no plan."""
    plan = said["plan"]
    return {
        "summary": said["summary"],
        "plan_id": plan.pk if isinstance(plan, Plan) else None,
        "full_date": said["full_date"],
    }


def _filling(
    strains: Mapping[uuid.UUID, Strain], instances: Mapping[uuid.UUID, Instance]
) -> list[uuid.UUID]:
    """Those whose disk is so full that it is asked when there is none left."""
    shares = {pk: limits.disk_share(each, instances[pk].plan) for pk, each in strains.items()}
    return [pk for pk, share in shares.items() if share is not None and share >= FORECAST_FROM]
