"""The events that a line of usage is of, as many as are still kept, and what they come to.

The last level before the days is one of them: it holds into them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, DecimalField, Max, Q, QuerySet, Sum
from django.db.models.functions import Cast

from billing.models import InvoiceLine
from billing.services.invoicing import explained_levels
from billing.services.invoicing.explaining import Spans, spans_of, subscription_of
from hosting.catalog.meters import BUILT_IN, LLM, LLM_METERS, Meter
from hosting.models import UsageEvent
from hosting.selectors.measuring import usage_stretches
from hosting.selectors.measuring.usage_stretches import Stretch
from tenants.clocks import Clock

Events = QuerySet[UsageEvent, dict[str, Any]]


def of_line(line: InvoiceLine) -> Events:
    """In order. ``Refused`` for a line of anything but usage."""
    return _within(line, spans_of(line))


def counted(event: Mapping[str, Any], meter: str) -> Decimal:
    """What an event adds to the meter."""
    if meter not in LLM_METERS:
        return Decimal(repr(event["amount"]))
    if meter == "llm_requests":
        return Decimal(1)
    return Decimal(event[meter.removeprefix("llm_")] or 0)


def total(
    line: InvoiceLine, stretch: Stretch, meter: Meter | None, *, now: datetime
) -> Decimal | None:
    """What the events of those days come to; None where some of them are too old to be kept."""
    if not _are_kept(line, stretch.spans, now):
        return None
    found = _within(line, stretch.spans)
    column = {"llm_input": "input", "llm_output": "output", "llm_cached": "cached"}
    amount = Cast(column.get(line.meter, "amount"), DecimalField(max_digits=30, decimal_places=6))
    match "count" if line.meter == "llm_requests" else meter.aggregation if meter else "sum":
        case "sum":
            return Decimal(found.aggregate(all=Sum(amount, default=Decimal(0)))["all"])
        case "count":
            return Decimal(found.count())
        case "max":
            most = found.aggregate(most=Max(amount, default=Decimal(0)))["most"]
            return usage_stretches.shared(Decimal(most), stretch)
        case "unique":
            many = found.aggregate(many=Count("key", distinct=True))["many"]
            return usage_stretches.shared(Decimal(many), stretch)
        case kind:
            levels = found.annotate(level=amount).values_list("at", "level")
            return explained_levels.total(kind, list(levels), stretch, clock=_clock(line))


def kept_from(*, now: datetime) -> datetime:
    """Older events are gone; the sums that were made of them stay."""
    return now - settings.BERTH_USAGE_EVENTS_KEPT


def _within(line: InvoiceLine, spans: Spans) -> Events:
    subscription = subscription_of(line)
    clock = _clock(line)
    inside = Q()
    kind = LLM if line.meter in LLM_METERS else line.meter
    rows = UsageEvent.objects.filter(instance=subscription.instance_id, meter=kind)
    for first, end in spans:
        since = clock.begin_of(first)
        inside |= Q(at__gte=since, at__lt=clock.begin_of(end))
        if line.meter not in BUILT_IN:
            inside |= _held_at(rows, since)
    rows = rows.filter(inside)
    names = ("at", "label", "amount", "key", "input", "output", "cached", "source", "event_id")
    found: Events = rows.order_by("at", "digest").values(*names)
    return found


def _held_at(rows: QuerySet[UsageEvent], since: datetime) -> Q:
    """The level that held then, if it is one and there was any."""
    before = rows.filter(is_level=True, at__lt=since).order_by("-at", "-digest")
    last = before.values_list("at", "digest").first()
    return Q() if last is None else Q(at=last[0], digest=last[1])


def _clock(line: InvoiceLine) -> Clock:
    return subscription_of(line).client.clock


def _are_kept(line: InvoiceLine, spans: Spans, now: datetime) -> bool:
    first = min(first for first, _ in spans)
    return _clock(line).begin_of(first) >= kept_from(now=now)
