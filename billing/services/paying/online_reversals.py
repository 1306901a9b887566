"""Money of online payments that goes back: refunds that finance asks for, and disputes."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from billing import currencies
from billing.gateway.base import Declined, Gateway, Reversal
from billing.models import OnlinePage, OnlineReversal
from billing.services.paying import online_pages, receipts, settlements
from billing.services.paying.receipts import Share
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor

_STATE = OnlineReversal.State
_KEYS_LAST = timedelta(hours=23)  # Stripe forgets an idempotency key after a day


@transaction.atomic
def ask(
    *, page: OnlinePage, amount: Decimal, reason: str, actor: Actor, now: datetime
) -> OnlineReversal:
    """Ask for a payment to be given back, in part or whole; a worker sees to it.

    ``Refused`` with the field where it was not paid, or less than that is left of it.
    """
    client = receipts.client_of(page.invoice.client_id)
    locked = OnlinePage.objects.select_for_update(of=("self",)).get(pk=page.pk)
    if locked.state != OnlinePage.State.PAID:
        raise Refused("Nothing was paid on it.")
    if not reason.strip():
        raise Refused("Say why.", field="reason")
    if amount <= 0 or currencies.rounded(amount, currencies.exponent(locked.currency)) != amount:
        raise Refused(f"Write an amount above 0 as {locked.currency} has it.", field="amount")
    gone = locked.reversals.exclude(state=_STATE.KEPT).aggregate(sum=Sum("amount"))["sum"]
    left = locked.amount - (gone or Decimal(0))
    if amount > left:
        said = currencies.said(left, locked.currency)
        raise Refused(f"No more than {said} is left of it.", field="amount")
    row = OnlineReversal(page=locked, amount=amount, reason=reason.strip()[:200], asked_at=now)
    row.save(force_insert=True)
    told = {"amount": str(amount), "currency": locked.currency, "reason": row.reason}
    audit.record(
        action="online_payment.refund_asked", actor=actor, client=client, obj=row, after=told
    )
    return row


def send(*, row: OnlineReversal, gateway: Gateway, now: datetime) -> None:
    """Have the service give it back, and book that; raises ``Unavailable`` to be tried again."""
    page = row.page
    try:
        seen = _sent(row, gateway, now) or gateway.refund(
            key=str(row.pk), payment=page.payment_id, amount=row.amount, currency=page.currency
        )
    except Declined as error:
        _keep(row, str(error))
        return
    record(page=page, seen=seen, is_refund=True, now=now, asked=row)


def _sent(row: OnlineReversal, gateway: Gateway, now: datetime) -> Reversal | None:
    """What became of it if it was sent long ago: the service no longer knows its key by then."""
    if now - row.asked_at < _KEYS_LAST:
        return None
    found = gateway.refunds(row.page.payment_id)
    return next((each for each in found if each.key == str(row.pk)), None)


@transaction.atomic
def record(
    *,
    page: OnlinePage,
    seen: Reversal,
    is_refund: bool,
    now: datetime,
    asked: OnlineReversal | None = None,
) -> None:
    """Book how a refund or dispute stands, once, whichever of its messages comes first.

    A refund takes the client's unused credit before it opens an invoice; what a bank takes back
    opens the invoice that it had paid.
    """
    client = receipts.client_of(page.invoice.client_id)
    locked = OnlinePage.objects.select_for_update(of=("self",)).get(pk=page.pk)
    row = _row(locked, seen, asked, now)
    was = (row.state, "")
    if seen.currency != locked.currency or locked.state != OnlinePage.State.PAID:
        row.problem = (
            f"{currencies.said(seen.amount, seen.currency)} of a page that is {locked.state}."
        )
    elif seen.is_gone and row.state != _STATE.GONE:
        _give(locked, row, client, is_refund=is_refund, now=now)
    elif not seen.is_gone and row.state == _STATE.GONE:
        _get_back(locked, row, client, now)
    elif not seen.is_gone:
        row.state = _STATE.KEPT
    row.save()
    _audit_standing(row, client, was)


def _row(
    page: OnlinePage, seen: Reversal, asked: OnlineReversal | None, now: datetime
) -> OnlineReversal:
    """The row of what is seen; one that was asked for becomes it."""
    known = OnlineReversal.objects.filter(reversal_id=seen.id).first()
    if known is not None and asked is not None and known.pk != asked.pk:
        known.reason = asked.reason  # its message was faster than the answer
        OnlineReversal.objects.filter(pk=asked.pk).delete()
        return known
    row = known or asked or OnlineReversal(page=page, asked_at=now)
    row.amount, row.reversal_id, row.problem = seen.amount, seen.id, ""
    return row


def _give(
    page: OnlinePage, row: OnlineReversal, client: Client, *, is_refund: bool, now: datetime
) -> None:
    row.state, row.times = _STATE.GONE, row.times + 1
    paid = online_pages.paid_with(page)
    receipts.take_back(
        way=online_pages.way_of(page, client, _reference(row), now),
        shares=[Share(page.invoice, paid)] if paid > 0 else [],
        amount=row.amount,
        surplus=page.amount - paid,
        spare_first=is_refund,
        now=now,
    )


def _get_back(page: OnlinePage, row: OnlineReversal, client: Client, now: datetime) -> None:
    """A refund that failed, or a dispute that was won: the money is here again."""
    row.state = _STATE.KEPT
    share = min(settlements.locked(page.invoice).open, row.amount)
    receipts.receive(
        way=online_pages.way_of(page, client, f"{_reference(row)} back", now),
        shares=[Share(page.invoice, share)] if share > 0 else [],
        amount=row.amount,
        now=now,
    )


def _reference(row: OnlineReversal) -> str:
    return row.reversal_id if row.times <= 1 else f"{row.reversal_id} {row.times}"


@transaction.atomic
def _keep(row: OnlineReversal, problem: str) -> None:
    """The service declined: nothing went back."""
    client = receipts.client_of(row.page.invoice.client_id)
    rows = OnlineReversal.objects.select_for_update(of=("self",)).select_related("page")
    locked = rows.filter(pk=row.pk, state=_STATE.ASKED).first()
    if locked is None:
        return
    locked.state, locked.problem = _STATE.KEPT, problem[:200]
    locked.save()
    _audit_standing(locked, client, (_STATE.ASKED, ""))


def _audit_standing(row: OnlineReversal, client: Client, was: tuple[str, str]) -> None:
    """How it stands now, where that is news: it went, it came back, or it can't be booked."""
    if (row.state, row.problem) == was:
        return
    audit.record(
        action=f"online_payment.reversal_{row.state}",
        actor=online_pages.BY,
        client=client,
        obj=row,
        after={
            "amount": str(row.amount),
            "currency": row.page.currency,
            "reference": row.reversal_id,
            "problem": row.problem,
        },
    )
