"""What instances used: by span of time, meter and label. Sums are up to a minute behind."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Max, Q, QuerySet, Sum

from hosting.catalog.meters import LLM_METERS, Aggregation, Meter
from hosting.models import Instance, UsageSum
from hosting.selectors.measuring import usage_meters
from tenants.models import Client

TOKENS = ("llm_input", "llm_output")
"""What together is the tokens used; those from a cache are input too."""


@dataclass(frozen=True, slots=True)
class Used:
    """One value of a meter: of a label, in the span that begins then."""

    begin: datetime | date
    meter: str
    label: str
    value: Decimal


def value(row: UsageSum, aggregation: Aggregation) -> Decimal:
    """The number that the meter is about."""
    match aggregation:
        case "sum":
            return row.total
        case "count":
            return Decimal(row.count)
        case "max":
            return row.maximum
        case "unique":
            return Decimal(row.distinct or 0)
        case "latest":
            return row.latest or Decimal(0)
        case "time_weighted":
            return row.mean if row.mean is not None else row.latest or Decimal(0)


def meters(instance: Instance) -> Mapping[str, Meter]:
    """The instance's meters by name."""
    return usage_meters.of_instance(instance.pk)


def quarters(
    instance: Instance, *, since: datetime, until: datetime, names: Collection[str] = ()
) -> Iterable[Used]:
    """By quarter of an hour, in order; of all meters unless some are named."""
    rows = instance.usage_sums.filter(span="quarter", starts_at__gte=since, starts_at__lt=until)
    return _values(instance, rows.order_by("starts_at", "meter", "label"), names)


def days(
    instance: Instance, *, since: date, until: date, names: Collection[str] = ()
) -> Iterable[Used]:
    """By day of the client's, in order."""
    rows = instance.usage_sums.filter(span="day", on__gte=since, on__lt=until)
    return _values(instance, rows.order_by("on", "meter", "label"), names)


def months(
    instance: Instance, *, since: date, until: date, names: Collection[str] = ()
) -> Iterable[Used]:
    """By month of the client's, each named by its first day, in order."""
    rows = instance.usage_sums.filter(span="month", on__gte=since, on__lt=until)
    return _values(instance, rows.order_by("on", "meter", "label"), names)


def month_of(client: Client, now: datetime) -> date:
    """The month that it is at the client's, named by its first day."""
    return client.clock.day_at(now).replace(day=1)


def end_of(month: date, client: Client) -> datetime:
    """When that month is over at the client's."""
    following = (month.replace(day=1) + timedelta(days=31)).replace(day=1)
    return client.clock.begin_of(following)


def totals(
    instances: Collection[uuid.UUID], *, month: date, names: Collection[str]
) -> Mapping[uuid.UUID, Decimal]:
    """What each of the instances used in that month of these meters together. One query."""
    rows = UsageSum.objects.filter(span="month", on=month, meter__in=names)
    of_each = rows.filter(instance__in=instances).values_list("instance")
    return dict(of_each.annotate(Sum("total")))


def _values(instance: Instance, rows: QuerySet[UsageSum], names: Collection[str]) -> Iterable[Used]:
    known = meters(instance)
    for row in rows.filter(meter__in=names or known):
        begin = row.starts_at or row.on
        assert begin is not None  # noqa: S101  (a constraint)
        yield Used(begin, row.meter, row.label, value(row, known[row.meter].aggregation))


@dataclass(frozen=True, slots=True)
class ModelDay:
    """What an instance used of one language model on one day of its client's."""

    instance_id: uuid.UUID
    model: str
    on: date
    requests: int
    input: int
    output: int
    cached: int
    computed_at: datetime


def model_days(*, computed_since: datetime | None = None) -> Iterable[ModelDay]:
    """Every instance's use by model and day, of the days that were computed then or later.

    Those that were computed first come first: whoever gets only so far goes on from there.
    """
    rows = UsageSum.objects.filter(span="day", meter__in=LLM_METERS)
    if computed_since is not None:
        rows = rows.filter(computed_at__gte=computed_since)
    parts = {name: Sum("total", filter=Q(meter=f"llm_{name}")) for name in _OF_MODEL}
    by_model = rows.values_list("instance", "label", "on").annotate(**parts, at=Max("computed_at"))
    for instance, model, on, *numbers, at in by_model.order_by("at", "instance", "on", "label"):
        requests, given, answered, cached = (int(number or 0) for number in numbers)
        yield ModelDay(instance, model, on, requests, given, answered, cached, at)


_OF_MODEL = ("requests", "input", "output", "cached")
