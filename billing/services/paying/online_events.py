"""The payment service's messages: kept first, then worked off, in any order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from billing.gateway.base import Declined, Event, Gateway, Unavailable
from billing.models import OnlineEvent, OnlinePage, OnlineReversal
from billing.services.paying import online_pages, online_reversals
from hosting.services.working import doorbell

logger = logging.getLogger(__name__)

TASK = "billing.tasks.work_off_online"
AT_ONCE = 100
LOOK_EVERY = timedelta(minutes=10)  # at pages of which no message came
LOOK_FOR = timedelta(days=30)
NOT_OURS_AFTER = timedelta(days=1)  # the account may be used for other things
_FAILED = "checkout.session.async_payment_failed"


def keep(*, event: Event, now: datetime) -> bool:
    """Write down that a message came; False where it came before."""
    row = OnlineEvent(
        id=event.id,
        kind=event.kind,
        object_id=event.object_id,
        payment_id=event.payment,
        came_at=now,
    )
    before = OnlineEvent.objects.filter(pk=event.id).exists()
    OnlineEvent.objects.bulk_create([row], ignore_conflicts=True)
    return not before


def work_off(*, gateway: Gateway, now: datetime) -> int:
    """Do what is left to do: messages, refunds that were asked for, pages that are open.

    What fails is tried again with the next call and keeps nothing else waiting; how much was done.
    """
    done = 0
    for event in OnlineEvent.objects.filter(done_at=None).order_by("problem", "came_at")[:AT_ONCE]:
        done += _tried(partial(_handle, event, gateway, now), event)
    asked = OnlineReversal.objects.filter(state=OnlineReversal.State.ASKED)
    for row in asked.select_related("page__invoice").order_by("problem", "asked_at")[:AT_ONCE]:
        done += _tried(partial(online_reversals.send, row=row, gateway=gateway, now=now), row)
    for page in _unlooked(now):
        done += _tried(partial(_look, page, gateway, now), page)
    return done


def _unlooked(now: datetime) -> list[OnlinePage]:
    rows = OnlinePage.objects.filter(
        state=OnlinePage.State.OPEN,
        looked_at__lte=now - LOOK_EVERY,
        opened_at__gt=now - LOOK_FOR,
    ).exclude(page_id="")
    return list(rows.select_related("invoice").order_by("looked_at")[:AT_ONCE])


def _tried(work: Callable[[], None], row: OnlineEvent | OnlineReversal | OnlinePage) -> bool:
    try:
        work()
    except (Unavailable, Declined) as error:
        type(row)._default_manager.filter(pk=row.pk).update(problem=str(error)[:200])
        return False
    except Exception:
        logger.exception("%r of the payment service failed; it is tried again", row)
        type(row)._default_manager.filter(pk=row.pk).update(problem="It failed; the log says how.")
        return False
    return True


def _handle(event: OnlineEvent, gateway: Gateway, now: datetime) -> None:
    """Look at what the message speaks of; it is done once that is booked."""
    page = _page_of(event)
    if page is None:
        if _concerns_us(event) and event.came_at > now - NOT_OURS_AFTER:
            raise Unavailable("No page is known of it yet.")
    elif event.kind.startswith("checkout.session."):
        _look(page, gateway, now, has_failed=event.kind == _FAILED)
    else:
        _look_at_reversals(event, page, gateway, now)
    OnlineEvent.objects.filter(pk=event.pk).update(done_at=now, problem="")


def _concerns_us(event: OnlineEvent) -> bool:
    kinds = ("checkout.session.", "charge.refund", "refund.", "charge.dispute.")
    return event.kind.startswith(kinds)


def _page_of(event: OnlineEvent) -> OnlinePage | None:
    rows = OnlinePage.objects.select_related("invoice")
    if event.kind.startswith("checkout.session."):
        return rows.filter(page_id=event.object_id).exclude(page_id="").first()
    if not _concerns_us(event) or not event.payment_id:
        return None
    return rows.filter(payment_id=event.payment_id).first()


def _look(page: OnlinePage, gateway: Gateway, now: datetime, *, has_failed: bool = False) -> None:
    seen = gateway.page(page.page_id)
    online_pages.settle(row=page, seen=seen, now=now, has_failed=has_failed and not seen.is_paid)


def _look_at_reversals(
    event: OnlineEvent, page: OnlinePage, gateway: Gateway, now: datetime
) -> None:
    is_dispute = event.kind.startswith("charge.dispute.")
    found = [gateway.dispute(event.object_id)] if is_dispute else gateway.refunds(page.payment_id)
    for seen in found:
        online_reversals.record(page=page, seen=seen, is_refund=not is_dispute, now=now)


def ring() -> None:
    """Have a worker look soon; whatever is forgotten is found within a minute anyway."""
    transaction.on_commit(lambda: doorbell.ring_for(task=TASK))
