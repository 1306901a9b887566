"""Opening a line of usage down to what it was computed from, and computing it once more.

A line of late usage too: it is what a period's usage came to then, less what of it stood on
invoices already.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from billing import currencies
from billing.models import Invoice, InvoiceLine, Subscription
from billing.services import pricing
from hosting.models import UsageSum
from hosting.selectors.measuring import usage_stretches
from hosting.selectors.measuring.usage_stretches import Stretch
from tenants.errors import Refused

Spans = Sequence[tuple[date, date]]
KINDS = (InvoiceLine.Kind.USAGE, InvoiceLine.Kind.ADJUSTMENT)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DaySum:
    """What was used on a day, of one label; which number counts is for the meter to say."""

    on: date
    label: str
    total: Decimal
    count: int
    maximum: Decimal
    distinct: int | None
    latest: Decimal | None
    mean: Decimal | None
    computed_at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """Days at one price: what was rated, and what the same rules make of it now.

    ``again`` is of the quantity that was billed. ``used_now`` differs from ``used`` where usage
    came in since, which the next invoice has.
    """

    stretch: Stretch
    used: Decimal
    included: Decimal
    used_now: Decimal
    charge: pricing.Charge
    again: Sequence[pricing.Rated]

    @property
    def net(self) -> Decimal:
        """What it comes to in all tiers, by what was billed."""
        return pricing.total(self.again)


@dataclass(frozen=True, slots=True)
class Explained:
    """A line, with what it was billed on.

    One of late usage can be of several parts, and ``before`` are the lines of the same period and
    meter that stood on invoices then. It has no parts where the invoice is older than their notes.
    """

    line: InvoiceLine
    parts: Sequence[Part]
    before: Sequence[InvoiceLine]
    days: Sequence[DaySum]

    @property
    def is_late(self) -> bool:
        """Whether it is late usage."""
        return self.line.kind == InvoiceLine.Kind.ADJUSTMENT

    @property
    def now(self) -> Decimal:
        """What all of the parts come to, computed once more."""
        return sum((part.net for part in self.parts), Decimal(0))

    @property
    def billed_before(self) -> Decimal:
        """What of it the lines before have."""
        return sum((counted(line) for line in self.before), Decimal(0))

    @property
    def fits(self) -> bool:
        """Whether the line is what it was computed from gives."""
        return self._fits_late() if self.is_late else self._fits_tier()

    @property
    def is_current(self) -> bool:
        """Whether no usage came in since."""
        return all(part.used == part.used_now for part in self.parts)

    @property
    def rated(self) -> pricing.Rated | None:
        """The line's own tier, computed once more; None where there is none."""
        place = int(self.line.basis["tier"])
        again = self.parts[0].again
        return again[place] if place < len(again) else None

    def _fits_tier(self) -> bool:
        rated, line = self.rated, self.line
        return rated is not None and (rated.quantity, rated.price, rated.base, rated.net) == (
            line.quantity,
            line.unit_price,
            line.base,
            line.net,
        )

    def _fits_late(self) -> bool:
        """What is taken back may be a part of the difference: as much as the invoice had."""
        basis, net = self.line.basis, self.line.net
        if self.billed_before != Decimal(basis["billed_before"]):
            return False
        difference = Decimal(basis["now"]) - self.billed_before
        if self.parts and self.now != Decimal(basis["now"]):
            return False
        return net == difference or difference < net < 0


def explain(line: InvoiceLine) -> Explained:
    """What a line of usage was computed from. ``Refused`` for a line of anything else."""
    subscription = subscription_of(line)
    noted = line.basis.get("parts", ()) if line.kind == line.Kind.ADJUSTMENT else (line.basis,)
    stretches = [
        Stretch(subscription.instance_id, _spans(each["spans"]), each.get("of")) for each in noted
    ]
    now = usage_stretches.totals(stretches, meters=[line.meter])
    exponent = currencies.exponent(line.invoice.currency)
    return Explained(
        line=line,
        parts=[
            _part(each, stretch, totals.get(line.meter, Decimal(0)), exponent)
            for each, stretch, totals in zip(noted, stretches, now, strict=True)
        ],
        before=list(_before(line)) if line.kind == line.Kind.ADJUSTMENT else (),
        days=list(_days(subscription.instance_id, line)),
    )


def subscription_of(line: InvoiceLine) -> Subscription:
    """Whose usage it is. ``Refused`` for a line of anything but usage."""
    if line.kind not in KINDS or line.subscription is None:
        raise Refused("Only a line of usage can be opened.")
    return line.subscription


def spans_of(line: InvoiceLine) -> Spans:
    """The days that the line is of: each from a day on and before another."""
    if line.kind == InvoiceLine.Kind.USAGE:
        return _spans(line.basis["spans"])
    found = [span for part in line.basis.get("parts", ()) for span in _spans(part["spans"])]
    return sorted(found) or [(line.first_day, line.last_day + _DAY)]


def _part(noted: Mapping[str, Any], stretch: Stretch, used_now: Decimal, exponent: int) -> Part:
    charge = pricing.charge_of(noted["charge"])
    used, included = Decimal(noted["used"]), Decimal(noted["included"])
    return Part(
        stretch=stretch,
        used=used,
        included=included,
        used_now=used_now,
        charge=charge,
        again=pricing.rate(charge, used=used, included=included, exponent=exponent),
    )


def counted(line: InvoiceLine) -> Decimal:
    """What a line comes to in what was billed: that of a credit note is less."""
    return -line.net if line.kind == InvoiceLine.Kind.CREDIT else line.net


def _before(line: InvoiceLine) -> QuerySet[InvoiceLine]:
    """The lines of the same period and meter on what was issued earlier; credit notes give back."""
    own = line.invoice
    at_once = Q(
        invoice__issued_at=own.issued_at,
        invoice__series=own.series,
        invoice__sequence__lt=own.sequence,
    )
    found = InvoiceLine.objects.filter(
        Q(invoice__issued_at__lt=own.issued_at) | at_once,
        period=line.period_id,
        meter=line.meter,
        kind__in=(*KINDS, InvoiceLine.Kind.CREDIT),
        invoice__state=Invoice.State.ISSUED,
    )
    return found.select_related("invoice").order_by("invoice__issued_at", "invoice_id", "position")


def _spans(noted: Sequence[tuple[str, str]]) -> Spans:
    return [(date.fromisoformat(first), date.fromisoformat(end)) for first, end in noted]


def _days(instance: uuid.UUID, line: InvoiceLine) -> Iterator[DaySum]:
    inside = Q()
    for first, end in spans_of(line):
        inside |= Q(on__gte=first, on__lt=end)
    rows = UsageSum.objects.filter(inside, instance=instance, span="day", meter=line.meter)
    names = ("on", "label", "total", "count", "maximum", "distinct", "latest", "mean")
    for row in rows.order_by("on", "label").values_list(*names, "computed_at"):
        yield DaySum(*row)
