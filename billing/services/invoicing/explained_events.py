"""The events that a line of usage is of, as many as are still kept, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import DecimalField, Max, Q, QuerySet, Sum
from django.db.models.functions import Cast

from billing.models import InvoiceLine
from billing.services import periods
from billing.services.invoicing.explaining import Spans, spans_of, subscription_of
from hosting.catalog.meters import LLM, LLM_METERS, Meter
from hosting.models import UsageEvent

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


def total(line: InvoiceLine, spans: Spans, meter: Meter | None, *, now: datetime) -> Decimal | None:
    """What the events of those days come to; None where some of them are too old to be kept.

    Of a meter that is neither a sum nor a count nor a largest value it is None as well.
    """
    if not _are_kept(line, spans, now):
        return None
    found = _within(line, spans)
    column = {"llm_input": "input", "llm_output": "output", "llm_cached": "cached"}
    amount = Cast(column.get(line.meter, "amount"), DecimalField(max_digits=30, decimal_places=6))
    match "count" if line.meter == "llm_requests" else meter.aggregation if meter else "sum":
        case "sum":
            return Decimal(found.aggregate(all=Sum(amount, default=Decimal(0)))["all"])
        case "count":
            return Decimal(found.count())
        case "max":
            return Decimal(found.aggregate(most=Max(amount, default=Decimal(0)))["most"])
    return None


def kept_from(*, now: datetime) -> datetime:
    """Older events are gone; the sums that were made of them stay."""
    return now - settings.BERTH_USAGE_EVENTS_KEPT


def _within(line: InvoiceLine, spans: Spans) -> Events:
    subscription = subscription_of(line)
    zone = ZoneInfo(subscription.client.timezone)
    inside = Q()
    for first, end in spans:
        inside |= Q(at__gte=periods.midnight(first, zone), at__lt=periods.midnight(end, zone))
    kind = LLM if line.meter in LLM_METERS else line.meter
    rows = UsageEvent.objects.filter(inside, instance=subscription.instance_id, meter=kind)
    names = ("at", "label", "amount", "input", "output", "cached", "source", "event_id")
    found: Events = rows.order_by("at", "digest").values(*names)
    return found


def _are_kept(line: InvoiceLine, spans: Spans, now: datetime) -> bool:
    zone = ZoneInfo(subscription_of(line).client.timezone)
    first = min(first for first, _ in spans)
    return periods.midnight(first, zone) >= kept_from(now=now)
