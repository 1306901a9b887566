"""Reminding of what is overdue, suspending for it, and giving back what has been paid.

``advance`` looks at how things are and does what is missing, so it may be called at any time, by
several at once, and late. Every step is a row that can be there once, in the transaction of what it
does and of its audit event; letters are sent afterwards (``dunning_letters``).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction

from billing.models import (
    BillingProfile,
    DunningGrace,
    DunningPolicy,
    DunningStep,
    DunningSuspension,
    Invoice,
    Settlement,
)
from billing.services.paying import (
    debt_suspensions,
    dunning_history,
    dunning_rules,
    overdue,
    settlements,
)
from billing.services.paying.dunning_rules import History, Rules
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid

logger = logging.getLogger(__name__)

_Kind = DunningStep.Kind


@transaction.atomic
def set_policy(
    *,
    reminders: Sequence[int],
    suspend_after: int | None,
    notice_after: int | None,
    notice_days: int = 30,
    least: Mapping[str, Decimal | str] | None = None,
    actor: Actor,
) -> DunningPolicy:
    """Say when what is done about overdue invoices. ``Refused`` where that makes no sense.

    ``least`` is by currency: clients that owe less of it in all are left in peace.
    """
    try:
        Rules(tuple(reminders), suspend_after, notice_after)
    except ValueError as error:
        raise Refused(str(error), field="reminders") from error
    text = ", ".join(f"{currency} {amount}" for currency, amount in (least or {}).items())
    try:
        sums = dunning_rules.parsed_sums(text)
    except ValueError as error:
        raise Refused(str(error), field="least") from error
    known = DunningPolicy.objects.select_for_update().first()
    policy = known or DunningPolicy()
    before = _told(policy) if known else {}
    policy.reminders = list(reminders)
    policy.suspend_after, policy.notice_after = suspend_after, notice_after
    policy.notice_days = notice_days
    policy.least = {currency: str(amount) for currency, amount in sums.items()}
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
    if until < dunning_history.today_of(profile, now):
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
    debt_suspensions.give_back(profile=profile, now=now)
    return grace


def advance(*, now: datetime) -> None:
    """Do for every client what is due. One that fails is raised after all the others."""
    _advance_all(_concerned(now), now)


def give_back_paid(*, now: datetime) -> None:
    """Look at those alone of whom something is taken: one of them may have paid just now."""
    taken = DunningSuspension.objects.filter(lifted_at=None)
    _advance_all(set(taken.values_list("instance__client", flat=True)), now)


def _advance_all(clients: Iterable[uuid.UUID], now: datetime) -> None:
    policy = DunningPolicy.objects.first()
    failed: list[Exception] = []
    for pk in clients:
        try:
            _advance(pk, policy, now)
        except Exception as error:
            logger.exception("dunning of client %s failed; it is tried again", pk)
            failed.append(error)
    if failed:
        raise failed[0]


def _concerned(now: datetime) -> set[uuid.UUID]:
    """Clients that owe something in any zone's today, and those that something is taken from."""
    late = overdue.open_ones().filter(invoice__due_on__lte=now.date())
    taken = DunningSuspension.objects.filter(lifted_at=None)
    return {
        *late.values_list("invoice__client", flat=True),
        *taken.values_list("instance__client", flat=True),
    }


@transaction.atomic
def _advance(client: uuid.UUID, policy: DunningPolicy | None, now: datetime) -> None:
    """One client; the lock on its billing details keeps payments and other runs out meanwhile."""
    profile = settlements.lock_client(client)
    if debt_suspensions.is_left_alone(profile, now):
        debt_suspensions.give_back(profile=profile, now=now)
        return
    today = dunning_history.today_of(profile, now)
    owed = overdue.of(client, today)
    if owed:
        settlements.spend_credit(profile, [each.invoice for each in owed], now=now)
        owed = overdue.of(client, today)
    since = overdue.counted_from(policy, owed)
    suspends_for = _tell_all(profile, owed, policy, since, now) if since is not None else None
    if suspends_for is None:
        debt_suspensions.give_back(profile=profile, now=now)
    else:
        debt_suspensions.take(profile=profile, invoice=suspends_for, now=now)


def _tell_all(
    profile: BillingProfile,
    owed: Sequence[Settlement],
    policy: DunningPolicy | None,
    since: date,
    now: datetime,
) -> Invoice | None:
    """Note what is due of each; the first invoice, if there is one, that is to be suspended for."""
    rules, today = rules_of(policy), dunning_history.today_of(profile, now)
    known = dunning_history.of(profile, [each.invoice_id for each in owed], since=since)
    suspends_for = None
    for invoice in (each.invoice for each in owed):
        history, due_on = known[invoice.pk], max(overdue.due_on(invoice), since)
        _tell(profile, invoice, policy, history, due_on, now)
        day = dunning_rules.suspends_on(rules, due_on=due_on, warned_on=history.warned_on)
        if suspends_for is None and day is not None and day <= today:
            suspends_for = invoice
    return suspends_for


def _tell(
    profile: BillingProfile,
    invoice: Invoice,
    policy: DunningPolicy | None,
    history: History,
    due_on: date,
    now: datetime,
) -> None:
    """Note the reminder and the notice that are due of an invoice: letters are made of them."""
    if policy is None:
        return
    rules, today = rules_of(policy), dunning_history.today_of(profile, now)
    days = dunning_rules.overdue_days(due_on, today)
    number = dunning_rules.reminder_due(rules, days=days, history=history)
    if number is not None:
        dunning_history.note(
            profile=profile, invoice=invoice, kind=_Kind.REMINDER, number=number, now=now
        )
    if dunning_rules.is_notice_due(rules, days=days, history=history, today=today):
        dunning_history.note(
            profile=profile,
            invoice=invoice,
            kind=_Kind.NOTICE,
            number=1,
            now=now,
            ends_on=today + timedelta(days=policy.notice_days),
        )


def suspends_on(*, invoice: Invoice, now: datetime, warned_now: bool = False) -> date | None:
    """The day on which its client's instances are suspended for an open invoice, if it stays so.

    None where nobody was told yet, unless that is done just now; where nothing is suspended for it
    by the rules as they are, or something is already; and while the client is left alone.
    """
    policy = DunningPolicy.objects.first()
    profile = BillingProfile.objects.select_related("client").filter(client=invoice.client_id)
    client = profile.first()
    if policy is None or client is None or debt_suspensions.is_left_alone(client, now):
        return None
    if debt_suspensions.open_of(client.client).exists():
        return None
    today = dunning_history.today_of(client, now)
    since = overdue.counted_from(policy, overdue.of(invoice.client_id, today))
    if since is None:
        return None
    told = dunning_history.of(client, [invoice.pk], since=since)[invoice.pk].warned_on
    return dunning_rules.suspends_on(
        rules_of(policy),
        due_on=max(overdue.due_on(invoice), since),
        warned_on=told or (today if warned_now else None),
    )


def rules_of(policy: DunningPolicy | None) -> Rules:
    """As plain values; without a policy nothing is ever done."""
    if policy is None:
        return Rules(())
    return Rules(tuple(policy.reminders), policy.suspend_after, policy.notice_after)


def _told(policy: DunningPolicy) -> dict[str, object]:
    return {
        "reminders": list(policy.reminders),
        "suspend_after": policy.suspend_after,
        "notice_after": policy.notice_after,
        "notice_days": policy.notice_days,
        "least": dict(policy.least),
    }
