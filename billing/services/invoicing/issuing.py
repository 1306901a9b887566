"""Issuing drafts whose grace is over: rated a last time, taxed, numbered, never changed again."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, QuerySet

from billing.models import BillingPeriod, BillingProfile, Invoice, Seller
from billing.services import vat
from billing.services.invoicing import planning
from billing.services.invoicing.finishing import NothingLeft, Work
from tenants.errors import Refused

AT_ONCE = 250


@dataclass
class Done:
    """What a batch came to. Clients in ``refused`` have a draft that can't be issued yet."""

    issued: list[Invoice] = field(default_factory=list)
    clients: int = 0
    refused: set[uuid.UUID] = field(default_factory=set)
    last: uuid.UUID | None = None  # of the billing details: what the next batch comes after


def issue_some(
    *,
    now: datetime,
    seller: Seller,
    after: uuid.UUID | None = None,
    besides: Collection[uuid.UUID] = (),
    at_most: int = AT_ONCE,
) -> Done:
    """Issue the drafts of some clients whose grace is over, in one transaction, the oldest first.

    ``after`` and ``besides`` as in ``drafting.draft_some``. Clients that somebody else works on are
    left out. A draft that can't be issued yet says why,
    and the client's later ones wait behind it.
    """
    due = _due(now).exclude(client__in=besides)
    if after is not None:
        due = due.filter(pk__gt=after)
    try:
        return _batch(due[:at_most], now, seller)
    except IntegrityError:
        done = Done()
        for pk in due.values_list("pk", flat=True)[:at_most]:
            done.last = pk
            _alone(now, seller, pk, done)
        return done


def due_drafts(*, now: datetime) -> QuerySet[Invoice]:
    """The drafts whose grace is over."""
    return Invoice.objects.filter(
        kind=Invoice.Kind.INVOICE, state=Invoice.State.DRAFT, issue_after__lte=now
    )


def _due(now: datetime) -> QuerySet[BillingProfile]:
    due = due_drafts(now=now).filter(client=OuterRef("client"))
    return BillingProfile.objects.filter(planning.ExistsForEach(due)).order_by("pk")


def _alone(now: datetime, seller: Seller, pk: uuid.UUID, done: Done) -> None:
    """One client whose batch the database refused."""
    try:
        one = _batch(_due(now).filter(pk=pk), now, seller)
    except IntegrityError as error:
        client = BillingProfile.objects.values_list("client", flat=True).get(pk=pk)
        problem = f"The database refused it: {str(error).splitlines()[0]}"
        due_drafts(now=now).filter(client=client).update(problem=problem)
        done.refused.add(client)
        return
    done.issued += one.issued
    done.clients += one.clients
    done.refused |= one.refused


@transaction.atomic
def _batch(profiles: QuerySet[BillingProfile], now: datetime, seller: Seller) -> Done:
    planning.by_index()
    rows = profiles.select_for_update(skip_locked=True).prefetch_related("client")
    clients = {each.client_id: each for each in rows}
    drafts = list(
        due_drafts(now=now)
        .filter(client__in=clients)
        .order_by("last_day", "drafted_at", "pk")
        .select_for_update()
    )
    last = max((each.pk for each in clients.values()), default=None)
    done = Done(clients=len(clients), last=last)
    work = Work(clients, drafts, seller, now)
    for draft in drafts:
        if draft.client_id in done.refused:
            continue
        try:
            work.prepare(draft)
        except NothingLeft:
            _discard(draft, now)
            continue
        except (Refused, vat.Undecided) as refused:
            done.refused.add(draft.client_id)
            Invoice.objects.filter(pk=draft.pk).update(problem=str(refused))
            continue
        done.issued.append(draft)
    work.write(done.issued)
    return done


def _discard(draft: Invoice, now: datetime) -> None:
    """Its periods have been billed, with nothing to charge."""
    BillingPeriod.objects.filter(invoice=draft).update(invoice=None, rated_at=now)
    draft.lines.all().delete()
    draft.delete()
