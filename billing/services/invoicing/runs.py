"""A round of billing: what is due is drafted, and what has waited long enough is issued.

Any number may go on at once and any may be killed: each batch is one transaction, whose clients
nobody else touches meanwhile, and the run's own counts are written in it. What one leaves, the next
does.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from billing.models import BillingRun, Invoice, Seller
from billing.services import subscriptions
from billing.services.invoicing import drafting, issuing, last_credits, last_invoices, refusals
from billing.services.leases import Keep
from tenants.services import audit
from tenants.services.actors import Actor

ACTOR = Actor.system("billing")


def bill_due(*, now: datetime, at_once: int = drafting.AT_ONCE) -> BillingRun | None:
    """Let subscriptions follow their instances, draft what is due, issue what has waited.

    None where there is no seller, or nothing was to be done. What was missed is made up for, the
    oldest period first.
    """
    seller = Seller.objects.first()
    if seller is None:
        return None
    subscriptions.follow(now=now)
    last_invoices.draft(now=now, seller=seller)
    last_credits.give_back(now=now, seller=seller)
    if not (drafting.due_clients(now=now).exists() or issuing.due_drafts(now=now).exists()):
        return None
    run = BillingRun.objects.create(began_at=now)
    work(run=run, seller=seller, now=now, at_once=at_once, keep=Keep(run))
    return run


def work(
    *, run: BillingRun, seller: Seller, now: datetime, keep: Keep, at_once: int = drafting.AT_ONCE
) -> None:
    """Draft and issue, batch by batch; each is kept with its counts. Raises ``keep``'s ``Lost``."""
    refused = _draft(run, seller, now, at_once, keep)
    refused |= _issue(run, seller, now, at_once, keep, refused)
    run.refused = len(refused)
    run.refusals = refusals.said(refused)
    run.remaining = 0
    run.ended_at = now
    keep("refused", "refusals", "remaining", "ended_at")


def _draft(
    run: BillingRun, seller: Seller, now: datetime, at_once: int, keep: Keep
) -> set[uuid.UUID]:
    """All that is due, batch after batch, and again from the first client for what it missed."""
    refused: set[uuid.UUID] = set()
    after: uuid.UUID | None = None
    while True:
        with transaction.atomic():
            done = drafting.draft_some(
                now=now, seller=seller, after=after, besides=refused, at_most=at_once
            )
            refused |= done.refused
            if done.drafts or done.refused:
                run.drafted += done.drafts
                _add(run, "drafted", done.nets.items())
                _keep_progress(run, refused, now, keep)
        if done.last is None and after is None:
            return refused
        after = done.last


def _issue(
    run: BillingRun,
    seller: Seller,
    now: datetime,
    at_once: int,
    keep: Keep,
    not_drafted: set[uuid.UUID],
) -> set[uuid.UUID]:
    """The same for the drafts whose grace is over."""
    refused: set[uuid.UUID] = set()
    after: uuid.UUID | None = None
    while True:
        with transaction.atomic():
            done = issuing.issue_some(
                now=now, seller=seller, after=after, besides=refused, at_most=at_once
            )
            refused |= done.refused
            if done.issued or done.refused:
                run.issued += len(done.issued)
                _add(run, "issued", ((each.currency, each.total) for each in done.issued))
                _keep_progress(run, refused | not_drafted, now, keep)
            if done.issued:
                _record(run, done.issued)
        if done.last is None and after is None:
            return refused
        after = done.last


def _add(run: BillingRun, what: str, amounts: Iterable[tuple[str, Decimal]]) -> None:
    for currency, amount in amounts:
        sums = run.sums.setdefault(currency, {})
        sums[what] = str(Decimal(sums.get(what, "0")) + amount)


def _keep_progress(run: BillingRun, refused: set[uuid.UUID], now: datetime, keep: Keep) -> None:
    """How far it is; what is left is counted only where somebody watches."""
    run.refused = len(refused)
    if run.requested_at is not None:
        run.remaining = remaining(now=now, besides=refused)
    keep("drafted", "issued", "refused", "remaining", "sums")


def remaining(*, now: datetime, besides: Iterable[uuid.UUID] = ()) -> int:
    """Clients that something is due for, and drafts to be issued. Two queries."""
    others = set(besides)
    clients = drafting.due_clients(now=now).exclude(client__in=others)
    drafts = issuing.due_drafts(now=now).exclude(client__in=others)
    return clients.count() + drafts.count()


def _record(run: BillingRun, issued: list[Invoice]) -> None:
    """One event for the batch, in its own transaction: nobody can add one unseen."""
    told = {"from": issued[0].number, "to": issued[-1].number, "count": len(issued)}
    audit.record(action="invoices.issued", actor=ACTOR, obj=run, after=told)
