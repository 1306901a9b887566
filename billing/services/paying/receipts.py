"""Money that came in for a client's invoices, and money that went out again.

Every movement is a row that stays: payments and credit are added to, never changed. The callers are
in a transaction and hold the client's billing details locked.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Sum

from billing import currencies
from billing.models import BankLine, BillingProfile, CreditEntry, Invoice, Payment, Settlement
from billing.services.paying import settlements
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor


@dataclass(frozen=True, slots=True)
class Share:
    """What of the money is an invoice's."""

    invoice: Invoice
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Way:
    """How the money moved: by which method, on which day, under which reference or line."""

    client: Client
    currency: str
    method: Payment.Method
    on: date
    actor: Actor
    reference: str = ""
    line: BankLine | None = None


def receive(
    *, way: Way, shares: Sequence[Share], amount: Decimal, now: datetime
) -> Sequence[Payment]:
    """Note what came in: the shares are paid, and what is more becomes the client's credit.

    ``Refused`` where a share is more than is open, of another client or currency, or the shares are
    more than came in.
    """
    _refuse_bad(way, shares, amount)
    payments = []
    for share in shares:
        settlement = settlements.locked(share.invoice)
        if share.amount > settlement.open:
            raise Refused(
                f"Of {share.invoice.number} no more than"
                f" {currencies.said(settlement.open, way.currency)} is open.",
                field="shares",
            )
        payments.append(_pay(way, settlement, share.amount, now))
    surplus = amount - sum((each.amount for each in shares), Decimal(0))
    if surplus:
        _move_credit(way, CreditEntry.Kind.OVERPAID, surplus, now)
    for payment in payments:
        _audit("invoice.paid", way, payment.invoice, payment.amount)
    return payments


def take_back(
    *,
    way: Way,
    shares: Sequence[Share],
    amount: Decimal,
    surplus: Decimal = Decimal(0),
    spare_first: bool = False,
    now: datetime,
) -> None:
    """Note what went out again, of money that had come in as ``shares`` and ``surplus``.

    The surplus leaves the client's credit, and the invoices are open again. What has moved on since
    (an invoice was credited) leaves the credit too, and where that is used up, the newest invoices
    that it paid are open again. With ``spare_first`` unused credit goes before any invoice.
    """
    left = amount - _draw(way, amount if spare_first else min(surplus, amount), now)
    for share in shares:
        settlement = settlements.locked(share.invoice)
        back = min(left, share.amount, settlement.paid)
        if back > 0:
            _pay(way, settlement, -back, now)
            _audit("invoice.payment_taken_back", way, share.invoice, back)
            left -= back
    left -= _draw(way, left, now)
    if left > 0:
        _reopen(way, left, now)
        _move_credit(way, CreditEntry.Kind.PAID_OUT, -left, now)


def _refuse_bad(way: Way, shares: Sequence[Share], amount: Decimal) -> None:
    profile = BillingProfile.objects.get(client=way.client)
    exponent = currencies.exponent(way.currency)
    for share in shares:
        if share.invoice.client_id != way.client.pk:
            raise Refused("One payment is of one client's invoices.", field="shares")
        if share.invoice.currency != way.currency:
            raise Refused(
                f"{share.invoice.number} is in {share.invoice.currency}, the money in"
                f" {way.currency}.",
                field="shares",
            )
        if share.amount <= 0 or currencies.rounded(share.amount, exponent) != share.amount:
            raise Refused(f"Write amounts above 0 as {way.currency} has them.", field="shares")
    if profile.currency != way.currency:
        raise Refused(f"The client's currency is {profile.currency}.", field="client")
    if len({share.invoice.pk for share in shares}) != len(shares):
        raise Refused("An invoice is named twice.", field="shares")
    if sum((each.amount for each in shares), Decimal(0)) > amount:
        came = currencies.said(amount, way.currency)
        raise Refused(f"No more than {came} came in.", field="shares")


def _pay(way: Way, settlement: Settlement, amount: Decimal, now: datetime) -> Payment:
    payment = Payment(
        invoice=settlement.invoice,
        method=way.method,
        amount=amount,
        currency=way.currency,
        received_on=way.on,
        reference=way.reference,
        line=way.line,
        recorded_at=now,
    )
    payment.save(force_insert=True)
    settlement.paid += amount
    settlements.settle(settlement, now=now)
    return payment


def _draw(way: Way, most: Decimal, now: datetime) -> Decimal:
    """Take unused credit, as far as there is any; how much it was."""
    spare = settlements.balances({way.client.pk}).get(way.client.pk, Decimal(0))
    drawn = max(min(spare, most), Decimal(0))
    if drawn:
        _move_credit(way, CreditEntry.Kind.PAID_OUT, -drawn, now)
    return drawn


def _reopen(way: Way, amount: Decimal, now: datetime) -> None:
    """Take credit back from the newest invoices that it paid, until there is that much."""
    by_credit = Payment.objects.filter(
        invoice__client=way.client, method=Payment.Method.CREDIT, currency=way.currency
    ).values_list("invoice")
    used = dict(by_credit.annotate(Sum("amount")).order_by())
    rows = Settlement.objects.select_for_update(of=("self",)).filter(invoice__in=used)
    for settlement in rows.select_related("invoice").order_by("-invoice__issued_at", "invoice"):
        back = min(amount, used[settlement.invoice_id], settlement.paid)
        if back <= 0:
            continue
        invoice = settlement.invoice
        _pay(_by_credit(way), settlement, -back, now)
        _move_credit(way, CreditEntry.Kind.RETURNED, back, now, invoice=invoice)
        _audit("invoice.payment_taken_back", way, invoice, back)
        amount -= back
        if not amount:
            return


def _by_credit(way: Way) -> Way:
    return Way(way.client, way.currency, Payment.Method.CREDIT, way.on, way.actor)


def _move_credit(
    way: Way,
    kind: CreditEntry.Kind,
    amount: Decimal,
    now: datetime,
    *,
    invoice: Invoice | None = None,
) -> None:
    what = f" {way.reference}" if way.reference else ""
    reason = f"Taken back from {invoice.number}" if invoice else f"{kind.label}{what}"
    entry = CreditEntry(
        client=way.client,
        kind=kind,
        currency=way.currency,
        amount=amount,
        reason=reason[:200],
        invoice=invoice,
        line=way.line,
        at=now,
    )
    entry.save(force_insert=True)
    told = {"amount": str(amount), "currency": way.currency, "reason": entry.reason}
    audit.record(
        action=f"credit.{kind.value}", actor=way.actor, client=way.client, obj=entry, after=told
    )


def _audit(action: str, way: Way, invoice: Invoice, amount: Decimal) -> None:
    told = {"amount": str(amount), "currency": way.currency, "reference": way.reference}
    audit.record(action=action, actor=way.actor, client=way.client, obj=invoice, after=told)


def client_of(client_id: uuid.UUID) -> Client:
    """The client, whose billing details are locked from here on."""
    return settlements.lock_client(client_id).client
