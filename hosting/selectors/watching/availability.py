"""Availability by month, and the credit that follows from it: a share of the price, no money.

A month is the client's, by the clock of its zone. Announced maintenance is no part of it, nor is
time that nobody looked at. What is given back is what the plan promises that the instance had when
the month ended: to change it afterwards changes nothing of months that are over. Billing takes
:func:`credits_of` and applies it to what it charged.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.conf import settings

from hosting.models import HealthDay, Instance, Plan
from hosting.models.sla import Tier, tiers_of
from hosting.selectors import lifetimes
from hosting.selectors.watching import health
from hosting.selectors.watching.health import Stretch
from tenants.models import Client

LeftPlans = Mapping[uuid.UUID, Sequence[tuple[datetime, Plan]]]
NOTHING = Decimal(0)
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Availability:
    """Of one instance in one month. ``availability`` is None where nothing is known."""

    instance: uuid.UUID
    name: str
    month: date
    stretch: Stretch
    credit_percent: Decimal

    @property
    def availability(self) -> Decimal | None:
        """In per cent, rounded down to three places, for showing."""
        return self.stretch.uptime


def tiers_for(plan_tiers: object) -> tuple[Tier, ...]:
    """The plan's own, or those of the installation."""
    return tiers_of(plan_tiers or settings.BERTH_SLA_TIERS)


def goal_of(plan: Plan) -> Decimal | None:
    """The share of a month below which something is given back; None where nothing ever is."""
    return max((each.below for each in tiers_for(plan.sla_tiers)), default=None)


def credit(*, stretch: Stretch, tiers: Sequence[Tier]) -> Decimal:
    """Per cent of the month's price to give back: of the lowest tier that it fell below.

    By the exact share, not by the rounded one that is shown.
    """
    if not stretch.known_seconds:
        return NOTHING
    up = stretch.known_seconds - stretch.down_seconds
    missed = [each for each in tiers if _HUNDRED * up < each.below * stretch.known_seconds]
    return max((each.credit for each in missed), default=NOTHING)


def of_month(instance: Instance, *, month: date) -> Availability:
    """The instance's availability in the month that the day lies in."""
    first, after = _bounds(month)
    stretch = health.over(instance, since=first, until=after)
    return _availabilities([(instance, first, stretch)], instance.client)[0]


def months_of(instance: Instance, *, today: date, most: int = 12) -> list[Availability]:
    """The instance's last months of which anything is known, the one that goes on first. A query.

    And one more where it was down in any. ``today`` is a day of the client's zone.
    """
    first = today.replace(day=1)
    for _ in range(most - 1):
        first = (first - timedelta(days=1)).replace(day=1)
    points = health.months(instance, since=first, until=today + timedelta(days=1))
    rows = [(instance, each.day, each.stretch) for each in reversed(points)]
    return _availabilities(rows, instance.client)


def credits_of(client: Client, *, month: date) -> list[Availability]:
    """For billing: of every instance the client had in that month, deleted ones too, by name.

    Three queries, however many instances there are. Where nothing is known there is no credit.
    """
    first, after = _bounds(month)
    instances = list(
        Instance.objects.filter(client=client, purpose=Instance.Purpose.CLIENT)
        .filter(health_days__day__gte=first, health_days__day__lt=after)
        .select_related("plan")
        .distinct()
        .order_by("name", "created_at")
        .defer("definition", "expected")
    )
    known = health.over_of(instances, since=first, until=after)
    rows = [(each, first, known[each.pk]) for each in instances if each.pk in known]
    return _availabilities(rows, client)


def months_with_downtime(
    clients: Collection[uuid.UUID], *, since: date
) -> Mapping[uuid.UUID, Sequence[date]]:
    """The months in which an instance of theirs was down at all, by client. One query."""
    down = HealthDay.objects.filter(
        instance__client__in=clients, day__gte=since.replace(day=1), down_seconds__gt=0
    )
    days = down.values_list("instance__client", "day").distinct().order_by()
    found: dict[uuid.UUID, set[date]] = defaultdict(set)
    for client, day in days:
        found[client].add(day.replace(day=1))
    return {client: sorted(months) for client, months in found.items()}


def _availabilities(
    rows: Sequence[tuple[Instance, date, Stretch]], client: Client
) -> list[Availability]:
    """Of those instances of the client and months. A query where anything is to be given back."""
    down = {instance.pk for instance, _, stretch in rows if stretch.down_seconds}
    left = lifetimes.left_plans(down) if down else {}
    found = []
    for instance, first, stretch in rows:
        plan = _plan_in(instance, client.clock.begin_of(_bounds(first)[1]), left)
        percent = credit(stretch=stretch, tiers=tiers_for(plan.sla_tiers))
        found.append(Availability(instance.pk, instance.name, first, stretch, percent))
    return found


def _plan_in(instance: Instance, until: datetime, left: LeftPlans) -> Plan:
    """The plan that the instance had at that moment: what it left first afterwards, if anything."""
    later = (plan for at, plan in left.get(instance.pk, ()) if at >= until)
    return next(later, instance.plan)


def _bounds(month: date) -> tuple[date, date]:
    first = month.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)
