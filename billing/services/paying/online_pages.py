"""Paying an invoice online: a page of the payment service, and what was paid on it.

The service is asked outside of transactions. What it says is never believed without asking it: a
message is only a reason to look.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from billing import currencies
from billing.gateway.base import Declined, Gateway, Page, Unavailable, Wanted
from billing.models import Invoice, OnlinePage, Payment
from billing.services.paying import receipts, settlements
from billing.services.paying.receipts import Share, Way
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor

logger = logging.getLogger(__name__)

BY = Actor.system("online payments")
_AGAIN = timedelta(hours=23)  # Stripe's pages and idempotency keys last for a day
_STATE = OnlinePage.State


def open_page(
    *,
    invoice: Invoice,
    gateway: Gateway,
    email: str,
    paid_url: str,
    back_url: str,
    actor: Actor,
    now: datetime,
) -> str:
    """The address of a page to pay all that is open; the same again while nothing has changed.

    ``Refused`` where nothing is open, or the service does not answer.
    """
    row = _wanted(invoice, actor, now)
    if row.url:
        return row.url
    wanted = Wanted(
        key=str(row.pk),
        title=f"Invoice {invoice.number}",
        amount=row.amount,
        currency=row.currency,
        email=email,
        paid_url=paid_url,
        back_url=back_url,
    )
    try:
        page = gateway.open_page(wanted)
    except Unavailable as error:
        raise Refused(
            "Paying online does not work at the moment. Try again in some minutes, or pay by"
            " bank transfer."
        ) from error
    except Declined as error:
        OnlinePage.objects.filter(pk=row.pk).update(state=_STATE.CLOSED, problem=str(error)[:200])
        raise Refused("This invoice can't be paid online. Pay it by bank transfer.") from error
    OnlinePage.objects.filter(pk=row.pk).update(page_id=page.id, url=page.url)
    return page.url


@transaction.atomic
def _wanted(invoice: Invoice, actor: Actor, now: datetime) -> OnlinePage:
    """The page that is open for just what is open, or a new one."""
    client = receipts.client_of(invoice.client_id)
    left = settlements.locked(invoice).open
    if left <= 0:
        raise Refused(f"{invoice.number} is paid already.")
    rows = OnlinePage.objects.filter(invoice=invoice, state=_STATE.OPEN, amount=left)
    known = rows.filter(opened_at__gt=now - _AGAIN).first()
    if known is not None:
        return known
    row = OnlinePage(
        invoice=invoice,
        amount=left,
        currency=invoice.currency,
        opened_at=now,
        looked_at=now,
    )
    row.save(force_insert=True)
    told = {"amount": str(left), "currency": row.currency}
    audit.record(
        action="invoice.online_page_opened", actor=actor, client=client, obj=invoice, after=told
    )
    return row


@transaction.atomic
def settle(*, row: OnlinePage, seen: Page, now: datetime, has_failed: bool = False) -> OnlinePage:
    """Note what became of a page, once. What is paid and not open any more is credit."""
    client = receipts.client_of(row.invoice.client_id)
    locked = OnlinePage.objects.select_for_update(of=("self",)).get(pk=row.pk)
    locked.looked_at = now
    if locked.state not in (_STATE.PAID, _STATE.WRONG):
        if seen.is_paid:
            _pay(locked, client, seen, now)
        elif has_failed or not seen.is_open:
            locked.state = _STATE.CLOSED
            locked.problem = "The payment failed." if has_failed else ""
    locked.save()
    return locked


def _pay(row: OnlinePage, client: Client, seen: Page, now: datetime) -> None:
    """Only what was asked for is booked: anything else is for a person to look at."""
    if (seen.amount, seen.currency, bool(seen.payment)) != (row.amount, row.currency, True):
        row.state = _STATE.WRONG
        row.problem = f"{currencies.said(seen.amount, seen.currency)} was paid on it."
        logger.error("online page %s: %s", row.pk, row.problem)
        told = {"problem": row.problem}
        audit.record(
            action="invoice.online_payment_wrong", actor=BY, client=client, obj=row, after=told
        )
        return
    row.state, row.payment_id = _STATE.PAID, seen.payment
    left = settlements.locked(row.invoice).open
    share = min(left, row.amount)
    shares = [Share(row.invoice, share)] if share > 0 else []
    way = way_of(row, client, seen.payment, now)
    receipts.receive(way=way, shares=shares, amount=row.amount, now=now)


def way_of(row: OnlinePage, client: Client, reference: str, now: datetime) -> Way:
    """How money of that page moves."""
    return Way(
        client=client,
        currency=row.currency,
        method=Payment.Method.STRIPE,
        on=now.date(),
        actor=BY,
        reference=reference[:140],
    )


def paid_with(row: OnlinePage) -> Decimal:
    """How much of the page's money went to its invoice; the rest became credit."""
    rows = Payment.objects.filter(method=Payment.Method.STRIPE, reference=row.payment_id)
    return sum(rows.values_list("amount", flat=True), Decimal(0))
