"""Credit notes: what of an issued invoice is given back, with numbers of their own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from billing import currencies
from billing.models import (
    BillingPeriod,
    Invoice,
    InvoiceLine,
    Seller,
    Settlement,
    Subscription,
)
from billing.services import totals
from billing.services.invoicing import numbers, snapshots
from billing.services.invoicing.issued_rows import mark_issued
from billing.services.paying import settlements
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

MOST_NAMED = 3
Key = tuple[str, Decimal]  # category and rate


@dataclass(frozen=True, slots=True)
class Back:
    """A line that gives back: so much without VAT, of those days; of usage also which it was."""

    net: Decimal
    name: str
    first_day: date
    last_day: date
    meter: str = ""
    subscription: Subscription | None = None
    period: BillingPeriod | None = None


@transaction.atomic
def issue(
    *,
    invoice: Invoice,
    reason: str,
    actor: Actor,
    now: datetime,
    net: Decimal | None = None,
) -> Invoice:
    """Give back ``net`` of an invoice with its VAT, or all that is left of it.

    ``Refused`` with the field where that is more than is left. What was paid becomes credit.
    """
    settlement = _locked(invoice)
    if settlement is None or invoice.kind != Invoice.Kind.INVOICE:
        raise Refused("Only an invoice that was issued can be credited.")
    if not reason.strip():
        raise Refused("Say why: it stands on the credit note.", field="reason")
    left = _left(invoice)
    shares = _shares(left, net, currencies.exponent(invoice.currency), invoice.currency)
    name = f"Credit for {invoice.number}"
    parts = [
        (key, Back(amount, name, invoice.first_day, invoice.last_day))
        for key, amount in sorted(shares.items())
    ]
    return _issue(settlement, parts, reason.strip(), actor, now)


@transaction.atomic
def give_back(
    *, invoice: Invoice, parts: Sequence[tuple[Key, Back]], actor: Actor, now: datetime
) -> Invoice | None:
    """Give back parts of an issued invoice, each of its VAT: of usage that was corrected.

    Of each VAT no more than is left of it, and of all no more than is left of the invoice; a few
    cents less where its VAT could not be rounded otherwise. None where nothing is left.
    """
    settlement = _locked(invoice)
    if settlement is None or invoice.kind != Invoice.Kind.INVOICE:
        raise Refused("Only an invoice that was issued can be credited.")
    left = _left(invoice)
    whole = sum(left.values(), Decimal(0))
    fitting: list[tuple[Key, Back]] = []
    for key in sorted({key for key, _ in parts}):
        own = [part for of, part in parts if of == key]
        most = min(sum((part.net for part in own), Decimal(0)), left.get(key, Decimal(0)), whole)
        amount = _fitting(key, left, most, currencies.exponent(invoice.currency))
        whole -= amount
        fitting += [(key, part) for part in _at_most(own, amount)]
    if not fitting:
        return None
    days = sorted({(part.first_day, part.last_day) for _, part in fitting})
    said = ", ".join(f"{first} to {last}" for first, last in days[:MOST_NAMED])
    more = f" and {len(days) - MOST_NAMED} more" if len(days) > MOST_NAMED else ""
    reason = f"Usage from {said}{more} was corrected after it had been billed."
    return _issue(settlement, fitting, reason, actor, now)


def _at_most(parts: Sequence[Back], amount: Decimal) -> Iterator[Back]:
    """The parts in their order, as far as the amount goes."""
    for part in parts:
        net = min(part.net, amount)
        if net > 0:
            amount -= net
            yield replace(part, net=net)


def _locked(invoice: Invoice) -> Settlement | None:
    """How it stands, with its client's billing details locked."""
    settlements.lock_client(invoice.client_id)
    rows = Settlement.objects.select_for_update(of=("self",)).select_related("invoice__client")
    return rows.filter(invoice=invoice.pk).first()


def _issue(
    settlement: Settlement,
    parts: Sequence[tuple[Key, Back]],
    reason: str,
    actor: Actor,
    now: datetime,
) -> Invoice:
    """A note with a line for each part; what was paid becomes credit."""
    invoice = settlement.invoice
    note = _note(invoice, reason, now)
    lines = [
        _line(note, position, key, part) for position, (key, part) in enumerate(parts, start=1)
    ]
    note.save(force_insert=True)
    InvoiceLine.objects.bulk_create(lines)
    _sum_up(note, invoice, lines)
    _number(note, invoice.client.clock.day_at(now), now)
    mark_issued([note])
    settlements.credit(settlement, note, now=now)
    told = {"invoice": invoice.number, "total": str(note.total), "reason": note.reason}
    audit.record(
        action="invoice.credited", actor=actor, client=invoice.client, obj=note, after=told
    )
    return note


def _left(invoice: Invoice) -> Mapping[Key, Decimal]:
    """What of the invoice's net has not been credited, by category and rate."""
    left: dict[Key, Decimal] = {}
    notes = invoice.credit_notes.all()
    for line in InvoiceLine.objects.filter(invoice=invoice):
        key = (line.category, line.rate)
        left[key] = left.get(key, Decimal(0)) + line.net
    for line in InvoiceLine.objects.filter(invoice__in=notes):
        left[line.category, line.rate] -= line.net
    return {key: amount for key, amount in left.items() if amount}


def _shares(
    left: Mapping[Key, Decimal], net: Decimal | None, exponent: int, currency: str
) -> Mapping[Key, Decimal]:
    """How much of each category: all of it, or of ``net`` in the given order."""
    whole = sum(left.values(), Decimal(0))
    if not left or whole <= 0:
        raise Refused("Nothing is left of the invoice.", field="net")
    if net is None or net == whole:
        return left
    if net <= 0 or currencies.rounded(net, exponent) != net:
        raise Refused(f"Write an amount above 0 as {currency} has it.", field="net")
    if net > whole:
        said = currencies.said(whole, currency)
        raise Refused(f"No more than {said} without VAT is left.", field="net")
    shares: dict[Key, Decimal] = {}
    for key, amount in sorted(left.items(), key=lambda each: -each[1]):
        shares[key] = min(net, max(amount, Decimal(0)))
        net -= shares[key]
    _refuse_odd_cents(left, shares, exponent)
    return {key: amount for key, amount in shares.items() if amount}


def _refuse_odd_cents(
    left: Mapping[Key, Decimal], shares: Mapping[Key, Decimal], exponent: int
) -> None:
    """VAT is rounded on each note: what is taken and what is left have to make up the whole.

    Otherwise a cent would stay that no note could ever give back, or one be given back too much.
    """
    for key, amount in shares.items():
        whole = left[key]
        if amount and not _fits(key, amount, whole, exponent):
            unit = Decimal(1).scaleb(-exponent)
            steps = (amount + sign * n * unit for n in range(1, 200) for sign in (-1, 1))
            other = next((net for net in steps if _fits(key, net, whole, exponent)), whole)
            raise Refused(
                f"Of {amount} the VAT can't be rounded without a cent being left over:"
                f" credit {other} at {key[1].normalize():f} %, or all of it.",
                field="net",
            )


def _fits(key: Key, net: Decimal, whole: Decimal, exponent: int) -> bool:
    """Whether the VAT of what is taken and of what is left make up that of the whole."""

    def vat(net: Decimal) -> Decimal:
        return currencies.divided(net, key[1], Decimal(100), exponent)

    return 0 < net <= whole and vat(net) + vat(whole - net) == vat(whole)


def _fitting(key: Key, left: Mapping[Key, Decimal], most: Decimal, exponent: int) -> Decimal:
    """The largest amount up to that one of which the VAT can be rounded; 0 where there is none."""
    unit = Decimal(1).scaleb(-exponent)
    steps = (most - n * unit for n in range(200))
    return next(
        (net for net in steps if _fits(key, net, left.get(key, Decimal(0)), exponent)), Decimal(0)
    )


def _note(invoice: Invoice, reason: str, now: datetime) -> Invoice:
    return Invoice(
        id=uuid.uuid4(),
        client=invoice.client,
        kind=Invoice.Kind.CREDIT_NOTE,
        currency=invoice.currency,
        first_day=invoice.first_day,
        last_day=invoice.last_day,
        drafted_at=now,
        issue_after=now,
        buyer=invoice.buyer,
        corrects=invoice,
        reason=reason,
    )


def _line(note: Invoice, position: int, key: Key, part: Back) -> InvoiceLine:
    category, rate = key
    sign = Decimal(1) if part.net > 0 else Decimal(-1)
    return InvoiceLine(
        invoice=note,
        position=position,
        kind=InvoiceLine.Kind.CREDIT,
        name=part.name,
        description=note.reason,
        quantity=sign,
        unit_price=abs(part.net),
        net=part.net,
        category=category,
        rate=rate,
        first_day=part.first_day,
        last_day=part.last_day,
        meter=part.meter,
        subscription=part.subscription,
        period=part.period,
    )


def _sum_up(note: Invoice, invoice: Invoice, lines: Sequence[InvoiceLine]) -> None:
    """VAT as on the invoice: what notes give back of a category is never more than it was."""
    sums = totals.of_lines(
        (totals.Taxed(line.net, line.category, line.rate) for line in lines),
        exponent=currencies.exponent(note.currency),
    )
    note.net, note.vat, note.total = sums.net, sums.vat, sums.gross
    reasons = {(each["category"], Decimal(each["rate"])): each for each in invoice.tax["totals"]}
    note.tax = {
        **invoice.tax,
        "totals": [
            {
                **reasons[each.category, each.rate],
                "basis": str(each.basis),
                "amount": str(each.amount),
            }
            for each in sums.taxes
        ],
    }


def _number(note: Invoice, today: date, now: datetime) -> None:
    """Last, as the number holds up everybody else who wants one."""
    seller = Seller.objects.get()
    note.seller = snapshots.seller(seller)
    note.issued_at, note.issued_on = now, today
    note.series = seller.credit_series
    note.sequence = numbers.take(series=note.series, count=1)[0]
