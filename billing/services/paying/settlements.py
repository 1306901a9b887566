"""How issued invoices stand: what was credited and paid of them, and the clients' credit."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Sum

from billing import currencies
from billing.models import (
    BillingProfile,
    CreditEntry,
    DunningPolicy,
    DunningSuspension,
    Invoice,
    Payment,
    Settlement,
)
from billing.services import copying
from hosting.services.working import doorbell
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid

TASK = "billing.tasks.give_back_paid"
_STATE = Settlement.State


def open_for(invoices: Sequence[Invoice], *, now: datetime) -> None:
    """Begin to follow invoices that were just issued, and pay them from their clients' credit.

    The caller is in a transaction and holds the clients' billing details locked.
    """
    left: dict[uuid.UUID, Decimal] = defaultdict(Decimal)
    left.update(balances({each.client_id for each in invoices}))
    rows, payments, entries = [], [], []
    for invoice in invoices:
        used = max(min(left[invoice.client_id], invoice.total), Decimal(0))
        if used:
            left[invoice.client_id] -= used
            payments.append(_from_credit(invoice, used, now))
            entries.append(_entry(invoice, CreditEntry.Kind.APPLIED, -used, now))
        rows.append(
            Settlement(
                invoice=invoice,
                total=invoice.total,
                paid=used,
                state=_STATE.OPEN if invoice.total > used else _STATE.PAID,
                changed_at=now,
            )
        )
    copying.write_all(rows)
    Payment.objects.bulk_create(payments, batch_size=500)
    CreditEntry.objects.bulk_create(entries, batch_size=500)


@transaction.atomic
def record_payment(
    *,
    invoice: Invoice,
    amount: Decimal,
    currency: str,
    received_on: date,
    actor: Actor,
    now: datetime,
    method: Payment.Method = Payment.Method.MANUAL,
    reference: str = "",
) -> Payment:
    """Note that money came in for an invoice. ``Refused`` with the field where that can't be."""
    profile = lock_client(invoice.client_id)
    settlement = locked(invoice)
    if received_on > profile.client.clock.day_at(now):
        raise Refused("Choose today or an earlier day.", field="received_on")
    if currency != invoice.currency:
        raise Refused(f"The invoice is in {invoice.currency}.", field="currency")
    if amount <= 0 or currencies.rounded(amount, currencies.exponent(currency)) != amount:
        raise Refused(f"Write an amount above 0 as {currency} has it.", field="amount")
    if amount > settlement.open:
        left = currencies.said(settlement.open, currency)
        raise Refused(f"No more than {left} is open.", field="amount")
    payment = Payment(
        invoice=invoice,
        method=method,
        amount=amount,
        currency=currency,
        received_on=received_on,
        reference=reference.strip(),
        recorded_at=now,
    )
    refuse_invalid(payment)
    _save_once(payment)
    settlement.paid += amount
    settle(settlement, now=now)
    told = {"amount": str(amount), "currency": currency, "reference": payment.reference}
    _audit("invoice.paid", invoice, actor, told)
    return payment


def _save_once(payment: Payment) -> None:
    """Another client's payment may have been recorded under the same reference meanwhile."""
    try:
        with transaction.atomic():
            payment.save(force_insert=True)
    except IntegrityError as error:
        if "one_payment_a_reference" not in str(error):
            raise
        text = "A payment with that reference was recorded already."
        raise Refused(text, field="reference") from error


def spend_credit(profile: BillingProfile, invoices: Sequence[Invoice], *, now: datetime) -> None:
    """Pay open invoices in that order from the client's unused credit.

    The caller is in a transaction and holds the client's billing details locked.
    """
    left = balances({profile.client_id}).get(profile.client_id, Decimal(0))
    for invoice in invoices:
        settlement = locked(invoice)
        used = min(left, settlement.open)
        if used <= 0 or invoice.currency != profile.currency:
            continue
        left -= used
        _from_credit(invoice, used, now).save(force_insert=True)
        _entry(invoice, CreditEntry.Kind.APPLIED, -used, now).save(force_insert=True)
        settlement.paid += used
        settle(settlement, now=now)
        told = {"amount": str(used), "currency": invoice.currency, "reference": "credit"}
        _audit("invoice.paid", invoice, Actor.system("credit"), told)


@transaction.atomic
def grant_credit(
    *, client: Client, amount: Decimal, reason: str, actor: Actor, now: datetime
) -> CreditEntry:
    """Give a client credit in its currency: its next invoices are paid from it."""
    profile = lock_client(client.pk)
    exponent = currencies.exponent(profile.currency)
    if amount <= 0 or currencies.rounded(amount, exponent) != amount:
        raise Refused(f"Write an amount above 0 as {profile.currency} has it.", field="amount")
    entry = CreditEntry(
        client=client,
        kind=CreditEntry.Kind.GRANTED,
        currency=profile.currency,
        amount=amount,
        reason=reason.strip(),
        at=now,
    )
    refuse_invalid(entry)
    entry.save(force_insert=True)
    told = {"amount": str(amount), "currency": profile.currency, "reason": entry.reason}
    audit.record(action="credit.granted", actor=actor, client=client, obj=entry, after=told)
    return entry


def credit(settlement: Settlement, note: Invoice, *, now: datetime) -> None:
    """Let a credit note count: what was paid already becomes the client's credit.

    The caller is in a transaction; the client's billing details and the settlement are locked.
    """
    settlement.credited += note.total
    surplus = settlement.credited + settlement.paid - settlement.total
    if surplus > 0:
        settlement.paid -= surplus
        _from_credit(settlement.invoice, -surplus, now).save(force_insert=True)
        _entry(note, CreditEntry.Kind.CREDITED, surplus, now).save(force_insert=True)
    settle(settlement, now=now)


def settle(settlement: Settlement, *, now: datetime) -> None:
    """Set what the sums make of it."""
    if settlement.open:
        settlement.state = _STATE.OPEN
    elif settlement.credited == settlement.total and settlement.credited:
        settlement.state = _STATE.VOID
    else:
        settlement.state = _STATE.PAID
    settlement.changed_at = now
    settlement.save(update_fields=["state", "credited", "paid", "changed_at"])
    _ring_for_suspended(settlement)


def _ring_for_suspended(settlement: Settlement) -> None:
    """Let what is suspended be looked at now, and not at dunning's next look, where it may end.

    That is where the invoice that it was for is settled, or where a part may leave less in all
    than anything is done about.
    """
    invoice = settlement.invoice
    taken = DunningSuspension.objects.filter(lifted_at=None, instance__client=invoice.client_id)
    invoices = set(taken.values_list("invoice", flat=True))
    if not invoices:
        return
    is_settled = not settlement.open and invoice.pk in invoices
    if is_settled or DunningPolicy.objects.filter(least__has_key=invoice.currency).exists():
        transaction.on_commit(lambda: doorbell.ring_for(task=TASK))


def lock_client(client_id: uuid.UUID) -> BillingProfile:
    """The client's billing details, locked: whoever moves its money holds them."""
    rows = BillingProfile.objects.select_for_update(of=("self",)).select_related("client")
    profile = rows.filter(client=client_id).first()
    if profile is None:
        raise Refused("The client has no billing details yet.")
    return profile


def locked(invoice: Invoice) -> Settlement:
    """How an issued invoice stands, locked; the client's billing details are locked already."""
    found = Settlement.objects.select_for_update().filter(invoice=invoice.pk).first()
    if found is None:
        raise Refused("Only an invoice that was issued can be paid.")
    return found


def balances(clients: Iterable[uuid.UUID]) -> Mapping[uuid.UUID, Decimal]:
    """What credit clients have; one without any movement is left out."""
    sums = CreditEntry.objects.filter(client__in=clients).values_list("client")
    return dict(sums.annotate(Sum("amount")).order_by())


def _from_credit(invoice: Invoice, amount: Decimal, now: datetime) -> Payment:
    return Payment(
        invoice=invoice,
        method=Payment.Method.CREDIT,
        amount=amount,
        currency=invoice.currency,
        received_on=now.date(),
        recorded_at=now,
    )


def _entry(invoice: Invoice, kind: CreditEntry.Kind, amount: Decimal, now: datetime) -> CreditEntry:
    word = "Used for" if kind == CreditEntry.Kind.APPLIED else "From"
    return CreditEntry(
        client_id=invoice.client_id,
        kind=kind,
        currency=invoice.currency,
        amount=amount,
        reason=f"{word} {invoice.number}",
        invoice=invoice,
        at=now,
    )


def _audit(action: str, invoice: Invoice, actor: Actor, told: Mapping[str, str]) -> None:
    audit.record(action=action, actor=actor, client=invoice.client, obj=invoice, after=told)
