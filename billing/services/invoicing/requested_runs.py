"""Billing runs that a person asks for: one at a time, worked on by whichever worker is there."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from billing.models import BillingRun, Seller
from billing.services import leases, subscriptions
from billing.services.invoicing import last_credits, last_invoices, runs
from billing.services.leases import Keep, Lost
from hosting.services.working import doorbell
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

logger = logging.getLogger(__name__)

TASK = "billing.tasks.bill_requested"


@transaction.atomic
def request(*, actor: Actor, now: datetime) -> tuple[BillingRun, bool]:
    """Have everything billed that is due; the run, and whether it is a new one.

    Where one that was asked for still goes on, that is it. ``Refused`` without a seller.
    """
    if Seller.objects.select_for_update().first() is None:
        raise Refused("Enter the seller first: until then nothing is billed.")
    going_on = _going_on().first()
    if going_on is not None:
        return going_on, False
    run = BillingRun.objects.create(
        began_at=now, requested_at=now, requested_by_label=actor.label[:200]
    )
    audit.record(action="billing_run.requested", actor=actor, obj=run)
    transaction.on_commit(lambda: doorbell.ring_for(task=TASK))
    return run, True


def work(*, now: datetime) -> BillingRun | None:
    """Do what was asked for and nobody does; also what a worker left that died.

    What nobody foresaw ends the run, which says so, and is raised. None where there is nothing.
    """
    run = leases.claim(_going_on())
    if run is None:
        return None
    keep = Keep(run)
    try:
        _work(run, now, keep)
    except Lost:
        logger.warning("%s was taken up by another worker", run)
    except Exception as error:
        run.problem, run.ended_at = f"{type(error).__name__}: {error}", now
        keep("problem", "ended_at")
        raise
    return run


def _going_on() -> QuerySet[BillingRun]:
    return BillingRun.objects.filter(requested_at__isnull=False, ended_at=None)


def _work(run: BillingRun, now: datetime, keep: Keep) -> None:
    seller = Seller.objects.get()
    if run.fence == 1:
        run.began_at = now
    subscriptions.follow(now=now)
    last_invoices.draft(now=now, seller=seller)
    last_credits.give_back(now=now, seller=seller)
    run.remaining = runs.remaining(now=now)
    keep("began_at", "remaining")
    runs.work(run=run, seller=seller, now=now, keep=keep)
