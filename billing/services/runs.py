"""A round of billing: what is due is drafted, and what has waited long enough is issued.

Any number may go on at once and any may be killed: each batch is one transaction, whose clients
nobody else touches meanwhile. What one leaves, the next does.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import transaction

from billing.models import BillingRun, Invoice, Seller
from billing.services import drafting, issuing, subscriptions
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
    if not (drafting.due_clients(now=now).exists() or issuing.due_drafts(now=now).exists()):
        return None
    run = BillingRun.objects.create(began_at=now)
    refused = _draft(run, seller, now, at_once)
    refused |= _issue(run, seller, now, at_once)
    run.refused = len(refused)
    run.ended_at = now
    run.save(update_fields=["refused", "ended_at"])
    return run


def _draft(run: BillingRun, seller: Seller, now: datetime, at_once: int) -> set[uuid.UUID]:
    """All that is due, batch after batch, and again from the first client for what it missed."""
    refused: set[uuid.UUID] = set()
    after: uuid.UUID | None = None
    while True:
        done = drafting.draft_some(
            now=now, seller=seller, after=after, besides=refused, at_most=at_once
        )
        if done.last is None and after is None:
            return refused
        after = done.last
        refused |= done.refused
        if done.drafts:
            run.drafted += done.drafts
            run.save(update_fields=["drafted"])


def _issue(run: BillingRun, seller: Seller, now: datetime, at_once: int) -> set[uuid.UUID]:
    """The same for the drafts whose grace is over."""
    refused: set[uuid.UUID] = set()
    after: uuid.UUID | None = None
    while True:
        with transaction.atomic():
            done = issuing.issue_some(
                now=now, seller=seller, after=after, besides=refused, at_most=at_once
            )
            if done.issued:
                _record(run, done.issued)
        if done.last is None and after is None:
            return refused
        after = done.last
        refused |= done.refused


def _record(run: BillingRun, issued: list[Invoice]) -> None:
    """Progress, and one event for the batch, in its own transaction: nobody can add one unseen."""
    run.issued += len(issued)
    run.save(update_fields=["issued"])
    told = {"from": issued[0].number, "to": issued[-1].number, "count": len(issued)}
    audit.record(action="invoices.issued", actor=ACTOR, obj=run, after=told)
