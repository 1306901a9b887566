"""Usage that came in after its period was billed: a line more on the client's next invoice.

What a billed period's usage comes to now, by the prices that it was billed at, less what of it
stands on invoices. So nothing is charged twice, however often it is looked at, and what could not
be taken back from one invoice is taken back from the next.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Sum, When

from billing.models import BillingPeriod, Invoice, InvoiceLine, Seller
from billing.services import statement
from billing.services.invoicing import gathering
from billing.services.invoicing.gathering import Usage, Wanted
from billing.services.invoicing.line_rows import Charged
from billing.services.periods import Days
from billing.services.statement import Item, Stretch
from hosting.models import UsageSum
from tenants.errors import Refused

LOOKS_BACK = timedelta(days=400)
# A sum is dated before its transaction ends: what was dated earlier may be seen only now.
OVERLAP = timedelta(hours=1)
_USAGE = (InvoiceLine.Kind.USAGE, InvoiceLine.Kind.ADJUSTMENT, InvoiceLine.Kind.CREDIT)
Billed = Mapping[tuple[uuid.UUID, str], Decimal]
Found = Mapping[uuid.UUID, Sequence[Charged]]
Parts = Sequence[Mapping[str, Any]]


@dataclass
class _Seen:
    """What each stretch was rated on, by subscription and first day, also where it is free."""

    stretches: dict[tuple[uuid.UUID, date], list[tuple[Wanted, Stretch, Usage]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def __call__(self, wanted: Wanted, stretch: Stretch, used: Usage) -> Usage:
        """Note it, and leave it as it is."""
        self.stretches[wanted.subscription.pk, wanted.billed.first].append((wanted, stretch, used))
        return used

    def parts(self, period: BillingPeriod, meter: str) -> Parts:
        """What the meter's usage of the period is computed from, stretch by stretch."""
        return [
            statement.basis_of(stretch, meter, used.get(meter, Decimal(0)), whole=wanted.whole)
            for wanted, stretch, used in self.stretches[period.subscription_id, period.first_day]
            if meter in stretch.terms.charges
        ]


def of_clients(
    clients: Mapping[uuid.UUID, str], *, seller: Seller, now: datetime
) -> tuple[Found, list[BillingPeriod]]:
    """Lines of each of the clients (with its currency), and the periods that were looked at.

    The caller holds the clients' billing details locked, and marks the periods as rated now.
    """
    candidates = list(_candidates(clients, now))
    wanted = [
        gathering.wanted_of(each, clients[each.subscription.client_id]) for each in candidates
    ]
    seen = _Seen()
    answers = gathering.items(wanted, seller=seller, ahead=seen)
    billed = _billed(candidates)
    found: dict[uuid.UUID, list[Charged]] = defaultdict(list)
    for period, answer in zip(candidates, answers, strict=True):
        if isinstance(answer, Refused):
            continue  # it was billed, so it had a price: only an empty period can have none
        for item in _differences(period, answer, billed, seen):
            last = period.end_day - timedelta(days=1)
            found[period.subscription.client_id].append(
                Charged(item, period.subscription, period, last)
            )
    return found, candidates


def _candidates(clients: Collection[uuid.UUID], now: datetime) -> Sequence[BillingPeriod]:
    """Those of the clients, in order."""
    found = candidates(now=now).filter(subscription__client__in=clients)
    return list(found.select_related("subscription").order_by("ends_at", "pk"))


def candidates(*, now: datetime) -> QuerySet[BillingPeriod]:
    """Billed periods whose usage was summed up anew since, or a level that holds into them."""
    newer = UsageSum.objects.filter(
        instance=OuterRef("subscription__instance"),
        span="day",
        computed_at__gte=OuterRef("rated_at") - OVERLAP,
    )
    own = newer.filter(on__gte=OuterRef("first_day"), on__lt=OuterRef("end_day"))
    held = newer.filter(on__lt=OuterRef("first_day"), latest__isnull=False)
    settled = Q(invoice=None) | Q(invoice__state=Invoice.State.ISSUED)
    newly = Exists(own) | Exists(held)
    return BillingPeriod.objects.filter(newly, settled, ends_at__gte=now - LOOKS_BACK)


def _billed(candidates: Sequence[BillingPeriod]) -> Billed:
    """What of each period's meters stands on issued invoices, less what was given back of it."""
    rows = InvoiceLine.objects.filter(
        period__in=candidates, kind__in=_USAGE, invoice__state=Invoice.State.ISSUED
    )
    is_back = Q(kind=InvoiceLine.Kind.CREDIT)
    amount = Case(When(is_back, then=-F("net")), default=F("net"))
    sums = rows.values_list(F("period"), F("meter")).annotate(billed=Sum(amount)).order_by()
    return {(period, meter): total for period, meter, total in sums}


def _differences(
    period: BillingPeriod, items: Sequence[Item], billed: Billed, seen: _Seen
) -> list[Item]:
    now_: dict[str, Decimal] = defaultdict(Decimal)
    example: dict[str, Item] = {}
    for item in items:
        if item.kind == InvoiceLine.Kind.USAGE:
            now_[item.meter] += item.net
            example.setdefault(item.meter, item)
    meters = {*now_, *(meter for pk, meter in billed if pk == period.pk)}
    found = []
    for meter in sorted(meters):
        before = billed.get((period.pk, meter), Decimal(0))
        difference = now_[meter] - before
        if difference:
            basis = {
                "meter": meter,
                "billed_before": before,
                "now": now_[meter],
                "parts": seen.parts(period, meter),
            }
            found.append(_adjustment(period, difference, basis, example.get(meter)))
    return found


def _adjustment(
    period: BillingPeriod, difference: Decimal, basis: Mapping[str, Any], item: Item | None
) -> Item:
    days = Days(period.first_day, period.end_day)
    last = period.end_day - timedelta(days=1)
    meter = str(basis["meter"])
    title = item.name if item else meter
    return statement.adjustment(
        f"{title} from {period.first_day} to {last}, reported late",
        difference,
        days,
        meter=meter,
        terms=item.terms if item else None,
        basis=basis,
    )


def at_most(charged: Charged, amount: Decimal) -> Charged | None:
    """What is taken back, but no more than that negative amount; the rest comes the next time."""
    if charged.item.net >= amount:
        return charged
    if not amount:
        return None
    item = charged.item
    cut = statement.adjustment(
        item.name, amount, item.days, meter=item.meter, terms=item.terms, basis=item.basis
    )
    return replace(charged, item=cut)
