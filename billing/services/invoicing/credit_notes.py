"""Credit notes: what of an issued invoice is given back, with numbers of their own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from billing import currencies
from billing.models import Invoice, InvoiceLine, Seller, Settlement
from billing.services import totals
from billing.services.invoicing import numbers, snapshots
from billing.services.invoicing.issued_rows import mark_issued
from billing.services.paying import settlements
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor


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
    profile = settlements.lock_client(invoice.client_id)
    settlement = Settlement.objects.select_for_update().filter(invoice=invoice.pk).first()
    if settlement is None or invoice.kind != Invoice.Kind.INVOICE:
        raise Refused("Only an invoice that was issued can be credited.")
    if not reason.strip():
        raise Refused("Say why: it stands on the credit note.", field="reason")
    note = _note(invoice, reason.strip(), now)
    left = _left(invoice)
    shares = _shares(left, net, currencies.exponent(invoice.currency), invoice.currency)
    lines = [
        _line(note, invoice, position, key, amount)
        for position, (key, amount) in enumerate(sorted(shares.items()), start=1)
    ]
    note.save(force_insert=True)
    InvoiceLine.objects.bulk_create(lines)
    _sum_up(note, invoice, lines)
    _number(note, profile.client.clock.day_at(now), now)
    mark_issued([note])
    settlements.credit(settlement, note, now=now)
    told = {"invoice": invoice.number, "total": str(note.total), "reason": note.reason}
    audit.record(
        action="invoice.credited", actor=actor, client=profile.client, obj=note, after=told
    )
    return note


Key = tuple[str, Decimal]  # category and rate


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
    for (category, rate), amount in shares.items():
        whole = left[category, rate]

        def vat(net: Decimal, rate: Decimal = rate) -> Decimal:
            return currencies.divided(net, rate, Decimal(100), exponent)

        def fits(net: Decimal, whole: Decimal = whole) -> bool:
            return 0 < net <= whole and vat(net) + vat(whole - net) == vat(whole)

        if amount and not fits(amount):
            unit = Decimal(1).scaleb(-exponent)
            steps = (amount + sign * n * unit for n in range(1, 200) for sign in (-1, 1))
            other = next((net for net in steps if fits(net)), whole)
            raise Refused(
                f"Of {amount} the VAT can't be rounded without a cent being left over:"
                f" credit {other} at {rate.normalize():f} %, or all of it.",
                field="net",
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


def _line(note: Invoice, invoice: Invoice, position: int, key: Key, amount: Decimal) -> InvoiceLine:
    category, rate = key
    sign = Decimal(1) if amount > 0 else Decimal(-1)
    return InvoiceLine(
        invoice=note,
        position=position,
        kind=InvoiceLine.Kind.CREDIT,
        name=f"Credit for {invoice.number}",
        description=note.reason,
        quantity=sign,
        unit_price=abs(amount),
        net=amount,
        category=category,
        rate=rate,
        first_day=invoice.first_day,
        last_day=invoice.last_day,
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
