"""Credit notes for clients that nothing more falls due for, where usage was corrected downwards.

Everybody else has it taken off the next invoice. Here it is looked for on the invoices that charged
it, the newest first, and given back of those: no more than stands there, nor than is left of
the invoice. A line that gives back names its period and meter, and counts as billed from then on.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Sum

from billing.models import BillingPeriod, BillingProfile, Invoice, InvoiceLine, Seller
from billing.services.invoicing import credit_notes, last_invoices, late_usage
from billing.services.invoicing.credit_notes import Back, Key
from billing.services.invoicing.line_rows import Charged
from hosting.models import UsageSum
from tenants.services.actors import Actor

ACTOR = Actor.system("billing")
_KINDS = (InvoiceLine.Kind.USAGE, InvoiceLine.Kind.ADJUSTMENT)
_NOTHING = Decimal(0)
_Place = tuple[uuid.UUID, str]  # of a period its meter


@dataclass(frozen=True, slots=True)
class _Stood:
    """What of a meter's usage of a period stands on an invoice, less what was given back of it."""

    place: _Place
    invoice: uuid.UUID
    key: Key
    net: Decimal


def give_back(*, now: datetime, seller: Seller) -> int:
    """Do it for all of them, and say how many credit notes there are. One transaction a client.

    Those that somebody works on are left for the next time.
    """
    clients = last_invoices.clients(now=now).values_list("client", flat=True)
    return sum(_of_client(each, now, seller) for each in list(clients.order_by("pk")))


@transaction.atomic
def _of_client(client: uuid.UUID, now: datetime, seller: Seller) -> int:
    """How many credit notes; none as long as something more is due, or may still come."""
    rows = last_invoices.clients(now=now).filter(client=client)
    profile = rows.select_for_update(skip_locked=True, of=("self",)).first()
    if profile is None or _is_fresh(client, now - timedelta(hours=seller.grace_hours)):
        return 0
    found, looked_at = late_usage.of_clients({client: profile.currency}, seller=seller, now=now)
    late = found.get(client, ())
    if any(each.item.net > 0 for each in late):
        return 0  # it makes an invoice, which takes in of the rest what it can
    given = _give(profile, late, now)
    BillingPeriod.objects.filter(pk__in=[each.pk for each in looked_at]).update(rated_at=now)
    return given


def _is_fresh(client: uuid.UUID, since: datetime) -> bool:
    """Whether usage came in so lately that more may come, as for a draft."""
    own = BillingPeriod.objects.filter(subscription__client=client)
    rows = UsageSum.objects.filter(instance__in=own.values("subscription__instance"))
    return rows.filter(span="day", computed_at__gt=since).exists()


def _by_hand(invoices: Iterable[uuid.UUID]) -> dict[uuid.UUID, Decimal]:
    """What somebody credited of each: lines that name no period."""
    rows = InvoiceLine.objects.filter(
        kind=InvoiceLine.Kind.CREDIT, period=None, invoice__corrects__in=set(invoices)
    )
    sums = rows.values_list(F("invoice__corrects")).annotate(Sum("net")).order_by()
    return dict(sums)


def _give(profile: BillingProfile, late: Sequence[Charged], now: datetime) -> int:
    """A credit note for each invoice that charged something of it."""
    due = {(each.period.pk, each.item.meter): each for each in late}
    by_invoice: dict[uuid.UUID, list[tuple[Key, Back]]] = defaultdict(list)
    for place, invoice, key, net in _taken(due, _stood(due)):
        by_invoice[invoice].append((key, _back(due[place], net)))
    invoices = Invoice.objects.filter(pk__in=by_invoice).order_by("sequence")
    notes = [
        credit_notes.give_back(invoice=each, parts=by_invoice[each.pk], actor=ACTOR, now=now)
        for each in invoices.select_related("client")
    ]
    return sum(note is not None for note in notes)


def _back(late: Charged, net: Decimal) -> Back:
    item, period = late.item, late.period
    return Back(
        net=net,
        name=item.name,
        meter=item.meter,
        subscription=late.subscription,
        period=period,
        first_day=period.first_day,
        last_day=period.end_day - timedelta(days=1),
    )


def _stood(due: Iterable[_Place]) -> Sequence[_Stood]:
    """Where it was charged, the newest invoice first."""
    periods = {period for period, _ in due}
    rows = InvoiceLine.objects.filter(period__in=periods, invoice__state=Invoice.State.ISSUED)
    names = ("period", "meter", "category", "rate")
    given: dict[tuple[object, ...], Decimal] = {
        tuple(key): net
        for *key, net in rows.filter(kind=InvoiceLine.Kind.CREDIT)
        .values_list(F("invoice__corrects"), *names)
        .annotate(Sum("net"))
        .order_by()
    }
    charged = rows.filter(kind__in=_KINDS, invoice__kind=Invoice.Kind.INVOICE)
    sums = charged.values_list("invoice", *names).annotate(Sum("net"))
    return [
        _Stood(
            (period, meter),
            invoice,
            (category, rate),
            net - given.get((invoice, period, meter, category, rate), _NOTHING),
        )
        for invoice, period, meter, category, rate, net in sums.order_by("-invoice__sequence")
    ]


def _taken(
    due: Mapping[_Place, Charged], stood: Sequence[_Stood]
) -> Iterator[tuple[_Place, uuid.UUID, Key, Decimal]]:
    """What is given back of each invoice.

    What was credited of it by hand counts first, as nobody can tell whether it was for this.
    """
    rest = {place: -each.item.net for place, each in due.items()}
    by_hand = _by_hand(each.invoice for each in stood)
    for each in stood:
        net = min(rest.get(each.place, _NOTHING), each.net)
        if net <= 0:
            continue
        rest[each.place] -= net
        covered = min(by_hand.get(each.invoice, _NOTHING), net)
        if covered:
            by_hand[each.invoice] -= covered
        if net > covered:
            yield each.place, each.invoice, each.key, net - covered
