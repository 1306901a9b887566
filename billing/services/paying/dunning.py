"""Reminding of what is overdue, suspending for it, and giving back what has been paid.

``advance`` looks at how things are and does what is missing, so it may be called at any time, by
several at once, and late. Every step is a row that can be there once, in the transaction of what it
does and of its audit event; letters are sent afterwards (``dunning_letters``).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F, QuerySet

from billing.models import (
    BillingProfile,
    DunningGrace,
    DunningPolicy,
    DunningStep,
    DunningSuspension,
    Invoice,
    Settlement,
)
from billing.services import periods
from billing.services.paying import dunning_rules, settlements
from billing.services.paying.dunning_rules import Key, Rules, Step
from hosting.models import Instance, Plan
from hosting.services import suspensions
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid

logger = logging.getLogger(__name__)

BY = Actor.system("dunning")
_Kind = DunningStep.Kind


@transaction.atomic
def set_policy(
    *,
    reminders: Sequence[int],
    suspend_after: int | None,
    notice_after: int | None,
    actor: Actor,
) -> DunningPolicy:
    """Say when what is done about overdue invoices. ``Refused`` where that makes no sense."""
    try:
        Rules(tuple(reminders), suspend_after, notice_after)
    except ValueError as error:
        raise Refused(str(error), field="reminders") from error
    known = DunningPolicy.objects.select_for_update().first()
    policy = known or DunningPolicy()
    before = _told(policy) if known else {}
    policy.reminders = list(reminders)
    policy.suspend_after, policy.notice_after = suspend_after, notice_after
    refuse_invalid(policy)
    policy.save()
    if _told(policy) != before:
        audit.record(
            action="dunning.policy_set",
            actor=actor,
            obj=policy,
            before=before,
            after=_told(policy),
        )
    return policy


@transaction.atomic
def grant_grace(
    *, client: Client, until: date, reason: str, actor: Actor, now: datetime
) -> DunningGrace:
    """Leave a client alone until that day is over, and give back what was suspended for it.

    ``Refused`` with the field for a day that has passed, or without a reason.
    """
    profile = settlements.lock_client(client.pk)
    if until < _today(profile, now):
        raise Refused("Choose today or a later day.", field="until")
    known = DunningGrace.objects.filter(client=client).first()
    grace = known or DunningGrace(client=client)
    grace.until, grace.reason = until, " ".join(reason.split())
    refuse_invalid(grace)
    grace.save()
    told = {"until": until.isoformat(), "reason": grace.reason}
    audit.record(
        action="dunning.grace_granted", actor=actor, client=client, obj=profile, after=told
    )
    _give_back(profile, now)
    return grace


def advance(*, now: datetime) -> None:
    """Do for every client what is due. One that fails is raised after all the others."""
    policy = DunningPolicy.objects.first()
    if policy is None:
        return
    rules = Rules(tuple(policy.reminders), policy.suspend_after, policy.notice_after)
    failed: list[Exception] = []
    for pk in _concerned(now):
        try:
            _advance(pk, rules, now)
        except Exception as error:
            logger.exception("dunning of client %s failed; it is tried again", pk)
            failed.append(error)
    if failed:
        raise failed[0]


def refuse_order(*, client: Client, plan: Plan) -> None:
    """Asked before every order: who does not pay gets nothing more. Registered with hosting."""
    taken = open_of(client).select_related("invoice").first()
    if taken is not None:
        raise Refused(f"Invoice {taken.invoice.number} is overdue: pay it to order anything.")


def open_of(client: Client) -> QuerySet[DunningSuspension]:
    """The client's instances that are out of use for an invoice."""
    return DunningSuspension.objects.filter(instance__client=client, lifted_at=None)


def _concerned(now: datetime) -> set[uuid.UUID]:
    """Clients that owe something in any zone's today, and those that something is taken from."""
    overdue = _open().filter(invoice__due_on__lte=now.date())
    taken = DunningSuspension.objects.filter(lifted_at=None)
    return {
        *overdue.values_list("invoice__client", flat=True),
        *taken.values_list("instance__client", flat=True),
    }


def _open() -> QuerySet[Settlement]:
    return Settlement.objects.filter(
        state=Settlement.State.OPEN,
        invoice__kind=Invoice.Kind.INVOICE,
        total__gt=F("paid") + F("credited"),
    )


@transaction.atomic
def _advance(client: uuid.UUID, rules: Rules, now: datetime) -> None:
    """One client; the lock on its billing details keeps payments and other runs out meanwhile."""
    profile = settlements.lock_client(client)
    today = _today(profile, now)
    if DunningGrace.objects.filter(client=client, until__gte=today).exists():
        _give_back(profile, now)
        return
    owed = _overdue(client, today)
    if owed:
        settlements.spend_credit(profile, [each.invoice for each in owed], now=now)
        owed = _overdue(client, today)
    done = _done([each.invoice_id for each in owed])
    suspends_for: Settlement | None = None
    for each in owed:
        due_on = each.invoice.due_on
        assert due_on is not None  # noqa: S101  (issued invoices have it)
        days = dunning_rules.overdue_days(due_on, today)
        steps = done.get(each.invoice_id, {})
        number = dunning_rules.reminder_due(rules, days=days, done=steps)
        if number is not None:
            _step(profile, each.invoice, _Kind.REMINDER, number, today, now)
        if dunning_rules.is_notice_due(rules, days=days, done=steps, today=today):
            _step(profile, each.invoice, _Kind.NOTICE, 1, today, now)
        if suspends_for is None and dunning_rules.is_to_suspend(
            rules, days=days, done=steps, today=today
        ):
            suspends_for = each
    if suspends_for is None:
        _give_back(profile, now)
    else:
        _take(profile, suspends_for, today, now)


def _overdue(client: uuid.UUID, today: date) -> list[Settlement]:
    """The one that was due first before the others."""
    rows = _open().filter(invoice__client=client, invoice__due_on__lt=today)
    return list(rows.select_related("invoice").order_by("invoice__due_on", "invoice__sequence"))


def _done(invoices: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, dict[Key, date]]:
    found: dict[uuid.UUID, dict[Key, date]] = {}
    kinds = [str(step) for step in Step]
    for step in DunningStep.objects.filter(invoice__in=invoices, kind__in=kinds):
        found.setdefault(step.invoice_id, {})[Step(step.kind), step.number] = step.on
    return found


def _step(
    profile: BillingProfile,
    invoice: Invoice,
    kind: DunningStep.Kind,
    number: int,
    today: date,
    now: datetime,
) -> None:
    step, is_new = DunningStep.objects.get_or_create(
        invoice=invoice, kind=kind, number=number, defaults={"on": today, "done_at": now}
    )
    if is_new:
        audit.record(
            action=f"dunning.{kind}",
            actor=BY,
            client=profile.client,
            obj=invoice,
            after={"invoice": invoice.number, "number": step.number},
        )


def _take(profile: BillingProfile, owed: Settlement, today: date, now: datetime) -> None:
    """Suspend what is not suspended yet; what staff suspended for another reason stays theirs.

    What staff gave back without a grace is taken again: its row is still open.
    """
    invoice = owed.invoice
    _step(profile, invoice, _Kind.SUSPENSION, 1, today, now)
    for instance in _in_use(profile.client):
        suspensions.suspend(instance=instance, reason=_reason(invoice), actor=BY)
        DunningSuspension.objects.update_or_create(
            instance=instance, lifted_at=None, defaults={"invoice": invoice, "since": now}
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


def _give_back(profile: BillingProfile, now: datetime) -> None:
    """End every suspension that was for an invoice, unless staff have made it one of their own."""
    taken = open_of(profile.client).select_related("instance", "invoice").order_by("instance")
    invoices: dict[uuid.UUID, Invoice] = {}
    for each in taken:
        if each.instance.suspended_for == _reason(each.invoice):
            suspensions.resume(instance=each.instance, actor=BY)
        each.lifted_at = now
        each.save(update_fields=["lifted_at"])
        invoices[each.invoice_id] = each.invoice
    for invoice in invoices.values():
        count = DunningStep.objects.filter(invoice=invoice, kind=_Kind.RESUMPTION).count()
        _step(profile, invoice, _Kind.RESUMPTION, count + 1, _today(profile, now), now)


def _today(profile: BillingProfile, now: datetime) -> date:
    return periods.day_at(now, ZoneInfo(profile.client.timezone))


def _told(policy: DunningPolicy) -> dict[str, object]:
    return {
        "reminders": list(policy.reminders),
        "suspend_after": policy.suspend_after,
        "notice_after": policy.notice_after,
    }
