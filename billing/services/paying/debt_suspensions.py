"""Taking a client's instances out of use for an invoice, and giving them back.

The caller is in a transaction and holds the client's billing details locked. What staff suspended
for a reason of their own is theirs: it is neither taken nor given back here.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone

from billing.models import (
    BillingProfile,
    DunningGrace,
    DunningStep,
    DunningSuspension,
    Invoice,
    Settlement,
)
from billing.services.paying import dunning_history, overdue
from billing.services.paying.dunning_history import BY
from hosting.models import Instance, Plan
from hosting.services import suspensions
from tenants.errors import Refused
from tenants.models import Client

_Kind = DunningStep.Kind


def refuse_order(*, client: Client, plan: Plan) -> None:
    """Asked before every order: who does not pay gets nothing more. Registered with hosting."""
    taken = open_of(client).select_related("invoice").first()
    invoice = taken.invoice if taken else _suspended_for(client)
    if invoice is not None:
        raise Refused(f"Invoice {invoice.number} is overdue: pay it to order anything.")


def open_of(client: Client) -> QuerySet[DunningSuspension]:
    """The client's instances that are out of use for an invoice."""
    return DunningSuspension.objects.filter(instance__client=client, lifted_at=None)


def _suspended_for(client: Client) -> Invoice | None:
    """Also of a client that had no instance when it came to that, unless it is left alone."""
    profile = BillingProfile.objects.select_related("client").filter(client=client).first()
    now = timezone.now()
    if profile is None or is_left_alone(profile, now):
        return None
    steps = DunningStep.objects.filter(
        kind=_Kind.SUSPENSION,
        invoice__client=client,
        invoice__settlement__state=Settlement.State.OPEN,
    ).exclude(invoice__dunning_steps__kind=_Kind.RESUMPTION)
    step = steps.select_related("invoice").first()
    if step is None or overdue.is_too_little(profile=profile, now=now):
        return None
    return step.invoice


def is_left_alone(profile: BillingProfile, now: datetime) -> bool:
    """Whether the client has grace today, by its own clock."""
    today = dunning_history.today_of(profile, now)
    return DunningGrace.objects.filter(client=profile.client_id, until__gte=today).exists()


def take(*, profile: BillingProfile, invoice: Invoice, now: datetime) -> None:
    """Suspend what is in use. What was suspended for another invoice is so for this one now.

    What staff gave back without a grace is taken again, of which nobody is told anew: its row is
    still open.
    """
    known = list(open_of(profile.client).select_related("instance", "invoice").order_by("instance"))
    others = [each for each in known if each.invoice_id != invoice.pk]
    in_use = _in_use(profile.client)
    before = dunning_history.count(invoice, _Kind.SUSPENSION)
    is_new = len(others) == len(known) and bool(others or in_use)
    if is_new or not before:
        dunning_history.note(
            profile=profile, invoice=invoice, kind=_Kind.SUSPENSION, number=before + 1, now=now
        )
    for each in others:
        suspensions.say_other_reason(
            instance=each.instance, was=_reason(each.invoice), reason=_reason(invoice), actor=BY
        )
        each.invoice = invoice
        each.save(update_fields=["invoice"])
    for instance in in_use:
        suspensions.suspend(instance=instance, reason=_reason(invoice), actor=BY)
        DunningSuspension.objects.update_or_create(
            instance=instance, lifted_at=None, defaults={"invoice": invoice, "since": now}
        )


def give_back(*, profile: BillingProfile, now: datetime) -> None:
    """End every suspension that was for an invoice, unless staff have made it one of their own."""
    taken = open_of(profile.client).select_related("instance", "invoice").order_by("instance")
    invoices: dict[uuid.UUID, Invoice] = {}
    for each in taken:
        after = suspensions.resume(instance=each.instance, actor=BY, only_for=_reason(each.invoice))
        each.lifted_at = now
        each.save(update_fields=["lifted_at"])
        if after.suspended_at is None:
            invoices[each.invoice_id] = each.invoice
    for invoice in invoices.values():
        dunning_history.note(
            profile=profile,
            invoice=invoice,
            kind=_Kind.RESUMPTION,
            number=dunning_history.count(invoice, _Kind.RESUMPTION) + 1,
            now=now,
        )


def _reason(invoice: Invoice) -> str:
    return f"Invoice {invoice.number} was due on {invoice.due_on}; pay it to go on."


def _in_use(client: Client) -> Sequence[Instance]:
    rows = Instance.objects.filter(
        client=client,
        purpose=Instance.Purpose.CLIENT,
        suspended_at=None,
        delete_requested_at=None,
        first_running_at__isnull=False,
    ).exclude(state=Instance.State.DELETED)
    return list(rows.order_by("pk"))
