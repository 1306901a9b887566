"""What was done about overdue invoices: reading it, and noting one thing more.

Every step is a row that can be there once, with its audit event in the transaction of what it does;
its letter is sent afterwards (``dunning_letters``).
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from django.db.models import Max

from billing.models import BillingProfile, DunningStep, Invoice, Payment
from billing.services.paying.dunning_rules import History
from tenants.clocks import Clock
from tenants.services import audit
from tenants.services.actors import Actor

BY = Actor.system("dunning")
Kind = DunningStep.Kind


def note(
    *,
    profile: BillingProfile,
    invoice: Invoice,
    kind: DunningStep.Kind,
    number: int,
    now: datetime,
    ends_on: date | None = None,
) -> None:
    """That it is done, once. The caller holds the client's billing details locked."""
    _, is_new = DunningStep.objects.get_or_create(
        invoice=invoice,
        kind=kind,
        number=number,
        defaults={
            "on": today_of(profile, now),
            "done_at": now,
            "send_at": now,
            "ends_on": ends_on,
        },
    )
    if is_new:
        told: dict[str, object] = {"invoice": invoice.number, "number": number}
        if ends_on is not None:
            told["ends_on"] = ends_on.isoformat()
        audit.record(
            action=f"dunning.{kind}", actor=BY, client=profile.client, obj=invoice, after=told
        )


def count(invoice: Invoice, kind: DunningStep.Kind) -> int:
    """How often that was done about it."""
    return DunningStep.objects.filter(invoice=invoice, kind=kind).count()


def of(
    profile: BillingProfile, invoices: Sequence[uuid.UUID], *, since: date
) -> Mapping[uuid.UUID, History]:
    """Each invoice's, by its client's clock; warnings count from the day after ``since`` on.

    Two queries.
    """
    steps = defaultdict(list)
    for step in DunningStep.objects.filter(invoice__in=invoices).order_by("done_at"):
        steps[step.invoice_id].append(step)
    taken_back = Payment.objects.filter(invoice__in=invoices, amount__lt=0).values_list("invoice")
    reopened: dict[uuid.UUID, datetime] = dict(taken_back.annotate(Max("recorded_at")).order_by())
    clock = profile.client.clock
    return {pk: _history(steps[pk], reopened.get(pk), clock, since) for pk in invoices}


def _history(
    steps: Sequence[DunningStep], reopened: datetime | None, clock: Clock, since: date
) -> History:
    reminders = [each for each in steps if each.kind == Kind.REMINDER]
    recent = [each for each in reminders if reopened is None or each.done_at >= reopened]
    told = [clock.day_at(each.told_at) for each in recent if each.told_at is not None]
    turns = [each for each in steps if each.kind in (Kind.SUSPENSION, Kind.RESUMPTION)]
    is_suspended = bool(turns) and turns[-1].kind == Kind.SUSPENSION
    return History(
        reminders=max((each.number for each in reminders), default=0),
        is_reopened=bool(reminders) and not recent,
        warned_on=min((day for day in told if day > since), default=None),
        suspended_on=turns[-1].on if is_suspended else None,
        is_notice_given=any(each.kind == Kind.NOTICE for each in steps),
    )


def today_of(profile: BillingProfile, now: datetime) -> date:
    """The day that it is at the client."""
    return profile.client.clock.day_at(now)
