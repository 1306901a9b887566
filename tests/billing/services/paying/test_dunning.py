"""An invoice that is not paid: reminded of, suspended for, paid, and given back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core import mail

from billing.models import (
    DunningPolicy,
    DunningStep,
    DunningSuspension,
    Invoice,
    Settlement,
)
from billing.services.invoicing import credit_notes
from billing.services.paying import debt_suspensions, dunning, settlements
from hosting.models import Instance, Operation, Plan
from hosting.services import instances, suspensions
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing.money import ACTOR
from tests.billing.services.paying.owing import DUE, after, fresh, pay, steps

pytestmark = pytest.mark.django_db
WorkOff = Callable[[Instance], Operation]


def test_it_is_reminded_of_suspended_for_and_given_back_on_payment(
    invoice: Invoice, book: Instance, work_off: WorkOff
) -> None:
    after(20)
    assert steps() == [("reminder", 1, 3), ("reminder", 2, 10), ("suspension", 1, 20)]
    book = fresh(book)
    assert book.suspended_for == "Invoice INV-000001 was due on 2026-02-15; pay it to go on."
    assert work_off(book).kind == Operation.Kind.STOP
    with pytest.raises(Refused, match="book is suspended: Invoice INV-000001"):
        instances.start(instance=book, actor=ACTOR)
    pay(invoice, 22)
    after(22, since=22)
    assert fresh(book).suspended_at is None
    assert work_off(book).kind == Operation.Kind.START
    assert steps()[-1] == ("resumption", 1, 22)
    assert not debt_suspensions.open_of(invoice.client).exists()
    actions = AuditEvent.objects.filter(action__startswith="dunning.").values_list("action")
    assert [action for (action,) in actions.order_by("sequence")] == [
        "dunning.policy_set",
        *("dunning.reminder", "dunning.reminder", "dunning.suspension", "dunning.resumption"),
    ]


def test_many_looks_a_day_do_nothing_twice(invoice: Invoice) -> None:
    for day in range(25):
        for _ in range(3):
            after(day, since=day)
    assert len(steps()) == len(mail.outbox) == 3
    assert DunningSuspension.objects.count() == 1
    assert AuditEvent.objects.filter(action="instance.suspended").count() == 1


def test_after_an_outage_nobody_is_suspended_without_a_warning(
    invoice: Invoice, book: Instance
) -> None:
    after(30, since=30)
    assert steps() == [("reminder", 2, 30)]
    assert fresh(book).suspended_at is None
    after(33, since=31)
    assert steps()[-1] == ("suspension", 1, 33)


def test_notice_is_given_in_the_end_and_nothing_is_deleted(
    invoice: Invoice, book: Instance
) -> None:
    after(60)
    assert steps()[-1] == ("notice", 1, 40)
    assert mail.outbox[-1].subject == "Notice of termination: invoice INV-000001 is not paid"
    assert fresh(book).delete_requested_at is None


def test_grace_gives_back_and_when_it_is_over_it_is_taken_again(
    invoice: Invoice, book: Instance, acme: Client
) -> None:
    after(20)
    until = DUE.date() + timedelta(days=25)
    now = DUE + timedelta(days=21)
    dunning.grant_grace(client=acme, until=until, reason="They called.", actor=ACTOR, now=now)
    assert fresh(book).suspended_at is None
    after(25, since=21)
    assert fresh(book).suspended_at is None
    after(26, since=26)
    assert fresh(book).suspended_at is not None
    with pytest.raises(Refused, match="today or a later day"):
        dunning.grant_grace(client=acme, until=date(2026, 1, 1), reason="x", actor=ACTOR, now=now)
    with pytest.raises(Refused) as refused:
        dunning.grant_grace(client=acme, until=until, reason=" ", actor=ACTOR, now=now)
    assert refused.value.field == "reason"


def test_a_credit_note_over_all_of_it_gives_back_too(invoice: Invoice, book: Instance) -> None:
    after(20)
    now = DUE + timedelta(days=21)
    credit_notes.issue(invoice=invoice, reason="Our mistake", actor=ACTOR, now=now)
    dunning.advance(now=now)
    assert fresh(book).suspended_at is None
    assert Settlement.objects.get().state == "void"


def test_what_staff_suspended_stays_theirs(invoice: Invoice, book: Instance) -> None:
    suspensions.suspend(instance=book, reason="Abuse is being looked into.", actor=ACTOR)
    after(20)
    pay(invoice, 21)
    after(21, since=21)
    assert fresh(book).suspended_for == "Abuse is being looked into."
    assert not DunningSuspension.objects.exists()


def test_what_staff_gave_back_without_a_grace_is_taken_again(
    invoice: Invoice, book: Instance
) -> None:
    after(20)
    suspensions.resume(instance=book, actor=ACTOR)
    after(21, since=21)
    assert fresh(book).suspended_at is not None
    assert DunningSuspension.objects.get().lifted_at is None


def test_what_staff_made_a_suspension_of_their_own_is_not_given_back(
    invoice: Invoice, book: Instance
) -> None:
    after(20)
    suspensions.resume(instance=book, actor=ACTOR)
    suspensions.suspend(instance=book, reason="Abuse is being looked into.", actor=ACTOR)
    pay(invoice, 21)
    after(21, since=21)
    assert fresh(book).suspended_for == "Abuse is being looked into."
    assert not debt_suspensions.open_of(invoice.client).exists()


def test_one_client_that_fails_keeps_no_other_waiting_and_is_told(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, work = uuid.uuid4(), dunning._concerned
    monkeypatch.setattr(dunning, "_concerned", lambda now: [other, *work(now)])
    with pytest.raises(Refused, match="no billing details"):
        dunning.advance(now=DUE + timedelta(days=3))
    assert steps() == [("reminder", 1, 3)]


def test_while_it_lasts_nothing_can_be_ordered(
    invoice: Invoice, acme: Client, small: Plan, order: Callable[..., Instance]
) -> None:
    after(20)
    with pytest.raises(Refused, match="Invoice INV-000001 is overdue"):
        order("second")
    pay(invoice, 21)
    after(21, since=21)
    order("second")


def test_rules_that_make_no_sense_are_refused(policy: DunningPolicy) -> None:
    with pytest.raises(Refused, match="days after the first reminder"):
        dunning.set_policy(reminders=(), suspend_after=9, notice_after=None, actor=ACTOR)
    assert DunningPolicy.objects.get().reminders == [3, 10]


def test_without_a_policy_nobody_is_reminded(invoice: Invoice) -> None:
    DunningPolicy.objects.all().delete()
    after(30)
    assert steps() == []


def test_unused_credit_pays_what_is_overdue_before_anybody_is_reminded(
    invoice: Invoice, acme: Client
) -> None:
    settlements.grant_credit(
        client=acme, amount=Decimal("35.70"), reason="Sorry", actor=ACTOR, now=DUE
    )
    dunning.advance(now=DUE + timedelta(days=25))
    assert not DunningStep.objects.exists()
    assert Settlement.objects.get().open == 0
    assert AuditEvent.objects.filter(action="invoice.paid").count() == 1


def test_credit_that_is_not_enough_pays_its_part(invoice: Invoice, acme: Client) -> None:
    settlements.grant_credit(client=acme, amount=Decimal(10), reason="Sorry", actor=ACTOR, now=DUE)
    dunning.advance(now=DUE + timedelta(days=4))
    assert Settlement.objects.get().open == Decimal("25.70")
    assert DunningStep.objects.get().kind == "reminder"
