"""Opening a line of usage down to what it was computed from, and computing it once more."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import DecimalField, Max, Q, QuerySet, Sum
from django.db.models.functions import Cast

from billing import currencies
from billing.models import InvoiceLine
from billing.services import periods, pricing
from hosting.catalog.meters import LLM, LLM_METERS
from hosting.models import UsageEvent, UsageSum
from hosting.selectors.measuring import usage_stretches
from hosting.selectors.watching import availability
from hosting.selectors.watching.health import Stretch
from tenants.errors import Refused


@dataclass(frozen=True, slots=True)
class DaySum:
    """What was used on a day, of one label."""

    on: date
    label: str
    total: Decimal
    count: int
    maximum: Decimal
    computed_at: datetime


@dataclass(frozen=True, slots=True)
class Explained:
    """A line, what it was billed on, and what the same rules make of the sums as they are now.

    ``again`` is the lines of the meter from the quantity that was billed: they are always as they
    were. ``used_now`` differs from ``used`` where usage came in since, which the next invoice has.
    """

    line: InvoiceLine
    used: Decimal
    included: Decimal
    used_now: Decimal
    charge: pricing.Charge
    again: Sequence[pricing.Rated]
    days: Sequence[DaySum]

    @property
    def fits(self) -> bool:
        """Whether the line is what its quantity, charge and tier give."""
        place = int(self.line.basis["tier"])
        if place >= len(self.again):
            return False
        rated = self.again[place]
        return (rated.quantity, rated.price, rated.base, rated.net) == (
            self.line.quantity,
            self.line.unit_price,
            self.line.base,
            self.line.net,
        )

    @property
    def is_current(self) -> bool:
        """Whether no usage came in since."""
        return self.used == self.used_now


def explain(line: InvoiceLine) -> Explained:
    """What a line of usage was computed from. ``Refused`` for a line of anything else."""
    if line.kind != InvoiceLine.Kind.USAGE or line.subscription is None:
        raise Refused("Only a line of usage can be opened.")
    basis = line.basis
    charge = pricing.charge_of(basis["charge"])
    used, included = Decimal(basis["used"]), Decimal(basis["included"])
    instance = line.subscription.instance_id
    stretch = usage_stretches.Stretch(instance, spans_of(line))
    now = usage_stretches.totals([stretch], meters=[line.meter])[0]
    return Explained(
        line=line,
        used=used,
        included=included,
        used_now=now.get(line.meter, Decimal(0)),
        charge=charge,
        again=pricing.rate(
            charge,
            used=used,
            included=included,
            exponent=currencies.exponent(line.invoice.currency),
        ),
        days=list(_days(instance, line)),
    )


@dataclass(frozen=True, slots=True)
class Given:
    """A credit for downtime: what it was a share of, and what is known of its month now."""

    line: InvoiceLine
    percent: Decimal
    charged: Decimal
    down_seconds: int
    known_seconds: int
    again: Decimal
    now: Stretch

    @property
    def fits(self) -> bool:
        """Whether the line is that share of what was charged."""
        return self.line.net == -self.again


def explain_downtime(line: InvoiceLine) -> Given:
    """What a credit for downtime was computed from. ``Refused`` for a line of anything else."""
    if line.kind != InvoiceLine.Kind.DOWNTIME or line.subscription is None:
        raise Refused("Only a credit for downtime can be explained so.")
    basis = line.basis
    percent, charged = Decimal(basis["percent"]), Decimal(basis["charged"])
    exponent = currencies.exponent(line.invoice.currency)
    month = date.fromisoformat(basis["month"])
    return Given(
        line=line,
        percent=percent,
        charged=charged,
        down_seconds=basis["down_seconds"],
        known_seconds=basis["known_seconds"],
        again=currencies.divided(charged, percent, Decimal(100), exponent),
        now=availability.of_month(line.subscription.instance, month=month).stretch,
    )


def spans_of(line: InvoiceLine) -> Sequence[tuple[date, date]]:
    """The days that the line is of: each from a day on and before another."""
    spans = line.basis["spans"]
    return [(date.fromisoformat(first), date.fromisoformat(end)) for first, end in spans]


def events(line: InvoiceLine) -> QuerySet[UsageEvent, dict[str, Any]]:
    """The events that the line's sums are of, in order: as many as are still kept."""
    if line.kind != InvoiceLine.Kind.USAGE or line.subscription is None:
        raise Refused("Only a line of usage can be opened.")
    zone = ZoneInfo(line.subscription.client.timezone)
    inside = Q()
    for first, end in spans_of(line):
        inside |= Q(at__gte=periods.midnight(first, zone), at__lt=periods.midnight(end, zone))
    kind = LLM if line.meter in LLM_METERS else line.meter
    rows = UsageEvent.objects.filter(inside, instance=line.subscription.instance_id, meter=kind)
    names = ("at", "label", "amount", "input", "output", "cached", "source", "event_id")
    found: QuerySet[UsageEvent, dict[str, Any]] = rows.order_by("at", "digest").values(*names)
    return found


def counted(event: Mapping[str, Any], meter: str) -> Decimal:
    """What an event adds to the meter."""
    if meter not in LLM_METERS:
        return Decimal(repr(event["amount"]))
    if meter == "llm_requests":
        return Decimal(1)
    return Decimal(event[meter.removeprefix("llm_")] or 0)


def of_events(line: InvoiceLine, *, now: datetime) -> Decimal | None:
    """What the events themselves come to; None where some of them are too old to be kept.

    Of a meter that is neither a sum nor a count nor a largest value it is None as well.
    """
    if line.subscription is None or not _are_kept(line, now):
        return None
    found = events(line)
    own = usage_stretches.titles({line.subscription.instance_id})[line.subscription.instance_id]
    meter = own.get(line.meter)
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


def _are_kept(line: InvoiceLine, now: datetime) -> bool:
    assert line.subscription is not None  # noqa: S101  (its callers have looked)
    zone = ZoneInfo(line.subscription.client.timezone)
    first = min(first for first, _ in spans_of(line))
    return periods.midnight(first, zone) >= events_kept_from(now=now)


def events_kept_from(*, now: datetime) -> datetime:
    """Older events are gone; the sums that were made of them stay."""
    return now - settings.BERTH_USAGE_EVENTS_KEPT


def _days(instance: uuid.UUID, line: InvoiceLine) -> Iterator[DaySum]:
    inside = Q()
    for first, end in spans_of(line):
        inside |= Q(on__gte=first, on__lt=end)
    rows = UsageSum.objects.filter(inside, instance=instance, span="day", meter=line.meter)
    names = ("on", "label", "total", "count", "maximum", "computed_at")
    for row in rows.order_by("on", "label").values_list(*names):
        yield DaySum(*row)
