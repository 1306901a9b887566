"""Credits for downtime: a line on the client's next invoice, once for a month and an instance.

Hosting says which share of a month's price is given back; here it is a share of what was charged
for the plan on that month's days, less discounts and what was credited since. A month counts when
it is over, or the subscription is, and all of its days stand on invoices. Whoever looks holds the
client's billing details locked, and the database lets no two credits be of one month and instance.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing import currencies
from billing.models import (
    BillingPeriod,
    BillingProfile,
    DowntimeCredit,
    Invoice,
    InvoiceLine,
    Subscription,
)
from billing.services import statement
from billing.services.invoicing.line_rows import Charged
from billing.services.periods import Days
from billing.services.statement import Item
from hosting.selectors.watching import availability
from hosting.selectors.watching.availability import Availability
from tenants.services import audit
from tenants.services.actors import Actor

LOOKS_BACK = timedelta(days=100)
ACTOR = Actor.system("billing")
_FULL = (InvoiceLine.Kind.RECURRING, InvoiceLine.Kind.SETUP, InvoiceLine.Kind.USAGE)
_DAY = timedelta(days=1)
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Charge:
    """What was charged for a plan and of which days; ``left`` of ``total`` of it stands."""

    invoice: str
    period: BillingPeriod | None
    spans: tuple[Days, ...]
    net: Decimal
    supplied_on: date
    left: Decimal = Decimal(1)
    total: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Part:
    """Days of a subscription that are being charged, with their lines."""

    subscription: Subscription
    billed: Days
    items: Sequence[Item]
    period: BillingPeriod | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """A credit to be: of which subscription and month, and when its charges were supplied."""

    subscription: Subscription
    known: Availability
    item: Item
    supplied_on: date
    period: BillingPeriod | None

    def charged(self) -> Charged:
        """As a line of an invoice."""
        if self.period is None:
            raise ValueError("Only what is being issued can be a line.")
        return Charged(self.item, self.subscription, self.period, self.supplied_on)


def looks_since(firsts: Iterable[date], *, now: datetime) -> date:
    """The first day that matters where periods from those days on are charged."""
    return min([(now - LOOKS_BACK).date(), *firsts])


def of_client(
    profile: BillingProfile, months: Sequence[date], parts: Sequence[Part], *, now: datetime
) -> list[Due]:
    """The credits of those months that fall due to the client when these parts are issued.

    ``months`` are what ``availability.months_with_downtime`` has of the client: mostly none.
    Without parts it is the last invoice, of usage that was reported late, of one that has left.
    """
    today = profile.client.clock.day_at(now)
    ended = not parts or any(each.subscription.end_day is not None for each in parts)
    over = [each for each in months if ended or _after(each) <= today]
    if not over:
        return []
    rows = Subscription.objects.filter(client=profile.client_id)
    subscriptions = {each.instance_id: each for each in rows}
    credits = DowntimeCredit.objects.filter(subscription__client=profile.client_id, month__in=over)
    given = set(credits.values_list("subscription", "month"))
    found = []
    for month in over:
        for known in availability.credits_of(profile.client, month=month):
            subscription = subscriptions.get(known.instance)
            if subscription is None or (subscription.pk, month) in given:
                continue
            if not _is_over(subscription, month, today):
                continue
            due = _due(profile, subscription, known, parts)
            if due is not None:
                found.append(due)
    return found


def note(dues: Iterable[tuple[Due, Invoice]], *, now: datetime) -> None:
    """Write that they were given on those invoices; who and why is in the audit log."""
    for due, invoice in dues:
        row = DowntimeCredit(
            subscription=due.subscription,
            month=due.known.month,
            invoice=invoice,
            percent=due.known.credit_percent,
            amount=-due.item.net,
            evidence=_evidence(due),
            given_at=now,
        )
        row.save(force_insert=True)
        told = {
            "invoice": invoice.number,
            "month": str(due.known.month),
            "instance": due.known.name,
            "percent": str(row.percent),
            "amount": currencies.said(row.amount, invoice.currency),
        }
        audit.record(
            action="downtime.credited", actor=ACTOR, client=invoice.client, obj=row, after=told
        )


def _due(
    profile: BillingProfile, subscription: Subscription, known: Availability, parts: Sequence[Part]
) -> Due | None:
    month = Days(known.month, _after(known.month))
    own = [each for each in parts if each.subscription.pk == subscription.pk]
    if not known.credit_percent or not _is_charged(subscription, month, own):
        return None
    charges = [*_issued(subscription, month), *_of_parts(own)]
    exponent = currencies.exponent(profile.currency)
    shares = [(each, _share(each, month, exponent)) for each in charges]
    inside = [(each, net) for each, net in shares if net]
    charged = sum((net for _, net in inside), Decimal(0))
    amount = currencies.divided(max(charged, Decimal(0)), known.credit_percent, _HUNDRED, exponent)
    if not amount:
        return None
    last, _ = max(inside, key=lambda each: each[0].supplied_on)
    item = _item(known, month, amount, charged, inside)
    return Due(subscription, known, item, last.supplied_on, last.period)


def _is_over(subscription: Subscription, month: date, today: date) -> bool:
    """Whether the month has no more days of the subscription: where that ended, it is over sooner.

    Nothing may be charged after it, so that no later invoice could have the credit.
    """
    after = _after(month)
    if subscription.end_day is not None:
        after = min(after, subscription.end_day)
    return after <= today


def _is_charged(subscription: Subscription, month: Days, own: Sequence[Part]) -> bool:
    """Whether all of the month's days that the subscription has stand on invoices, or will now.

    Not on a draft that waits while another is issued.
    """
    until = max([subscription.unbilled_from, *(each.billed.end for each in own)])
    ended = subscription.end_day or month.end
    waiting = BillingPeriod.objects.filter(
        subscription=subscription,
        first_day__lt=month.end,
        end_day__gt=month.first,
        invoice__state=Invoice.State.DRAFT,
    ).exclude(pk__in=[each.period.pk for each in own if each.period is not None])
    return until >= min(month.end, ended) and not waiting.exists()


def _issued(subscription: Subscription, month: Days) -> Iterable[Charge]:
    """What issued invoices charge for the plan on days of the month."""
    rows = InvoiceLine.objects.filter(
        period__subscription=subscription,
        period__first_day__lt=month.end,
        period__end_day__gt=month.first,
        kind__in=(*_FULL, InvoiceLine.Kind.DISCOUNT),
        invoice__kind=Invoice.Kind.INVOICE,
        invoice__state=Invoice.State.ISSUED,
    ).select_related("invoice__settlement", "period")
    lines: dict[tuple[uuid.UUID, uuid.UUID | None], list[InvoiceLine]] = defaultdict(list)
    for line in rows.order_by("invoice__sequence", "position"):
        lines[line.invoice_id, line.period_id].append(line)
    for own in lines.values():
        kept = _kept((each.kind, each.net) for each in own)
        for line in own:
            if line.kind == InvoiceLine.Kind.RECURRING and line.period is not None:
                stands = line.invoice.settlement
                spans = ((date.fromisoformat(a), date.fromisoformat(b)) for a, b in _spans(line))
                rest = (stands.total - stands.credited, stands.total) if stands.total else (1, 1)
                yield Charge(
                    line.invoice.number,
                    line.period,
                    tuple(Days(first, end) for first, end in spans),
                    line.net,
                    line.period.end_day - _DAY,
                    kept[0] * rest[0],
                    kept[1] * rest[1],
                )


def _spans(line: InvoiceLine) -> Sequence[tuple[str, str]]:
    spans: Sequence[tuple[str, str]] = line.basis["spans"]
    return spans


def _of_parts(own: Sequence[Part]) -> Iterable[Charge]:
    for part in own:
        left, total = _kept((item.kind, item.net) for item in part.items)
        for item in part.items:
            if item.kind == InvoiceLine.Kind.RECURRING:
                days = tuple(Days(first, end) for first, end in item.basis["spans"])
                yield Charge(
                    *("", part.period, days, item.net, part.billed.end - _DAY, left, total)
                )


def _kept(lines: Iterable[tuple[str, Decimal]]) -> tuple[Decimal, Decimal]:
    """How much of how much is charged when the discounts are off: they are of all of a period."""
    full = off = Decimal(0)
    for kind, net in lines:
        if kind in _FULL:
            full += net
        elif kind == InvoiceLine.Kind.DISCOUNT:
            off += net
    return full + off, full


def _share(charge: Charge, month: Days, exponent: int) -> Decimal:
    """What of it is of the month's days, by days, and was not credited."""
    inside = [each for span in charge.spans if (each := span.within(month))]
    days = sum(each.count for each in inside)
    of = sum(each.count for each in charge.spans)
    if not days or charge.left <= 0 or charge.total <= 0:
        return Decimal(0)
    return currencies.divided(charge.net, days * charge.left, of * charge.total, exponent)


def _item(
    known: Availability,
    month: Days,
    amount: Decimal,
    charged: Decimal,
    inside: Sequence[tuple[Charge, Decimal]],
) -> Item:
    percent = f"{known.credit_percent.normalize():f}"
    basis = {
        "instance": str(known.instance),
        "month": str(known.month),
        "percent": known.credit_percent,
        "known_seconds": known.stretch.known_seconds,
        "down_seconds": known.stretch.down_seconds,
        "charged": charged,
        "charges": [[each.invoice or "this invoice", net] for each, net in inside],
    }
    return statement.downtime(
        f"Credit for downtime of {known.name} in {known.month:%B %Y}",
        amount,
        month,
        description=f"{known.availability} % available: {percent} % of {charged}",
        basis=basis,
    )


def _evidence(due: Due) -> dict[str, Any]:
    """As the line has it."""
    return {name: _told(value) for name, value in due.item.basis.items()}


def _told(value: Any) -> Any:
    if isinstance(value, list):
        return [_told(each) for each in value]
    return str(value) if isinstance(value, Decimal) else value


def _after(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)
