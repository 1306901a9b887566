"""An invoice that is not paid: reminded of, suspended for, paid, and given back."""

from __future__ import annotations

import smtplib
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage

from billing.models import (
    DunningPolicy,
    DunningStep,
    DunningSuspension,
    Invoice,
    Settlement,
)
from billing.services.invoicing import credit_notes, runs
from billing.services.paying import dunning, dunning_letters, settlements
from hosting.models import Instance, Operation, Plan, Server
from hosting.services import instances, suspensions
from tenants.errors import Refused
from tenants.models import AuditEvent, Client, Role, User
from tenants.services import members
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
DUE = at("2026-02-15 12:00")  # by Berlin's clock as well
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def policy(db: None) -> DunningPolicy:
    return dunning.set_policy(reminders=(3, 10), suspend_after=20, notice_after=40, actor=ACTOR)


@pytest.fixture
def book(order: Callable[..., Instance], work_off: WorkOff, memory_server: Server) -> Instance:
    instance = order()
    work_off(instance)
    return money.run_since(instance, "2026-01-01")


@pytest.fixture
def invoice(book: Instance, acme: Client, small: Plan, policy: DunningPolicy) -> Invoice:
    """35.70 euros, issued on 1 February and due on the 15th."""
    money.set_seller()
    money.set_details(acme, email="books@acme.example")
    money.set_price(small)
    runs.bill_due(now=at("2026-02-01"))
    issued = Invoice.objects.get()
    assert issued.due_on == date(2026, 2, 15)
    return issued


def _after(days: int, *, since: int = 0) -> None:
    """Let the days pass, with a look on each."""
    for day in range(since, days + 1):
        now = DUE + timedelta(days=day)
        dunning.advance(now=now)
        dunning_letters.send_due(now=now)


def _pay(invoice: Invoice, day: int, amount: str = "35.70") -> None:
    now = DUE + timedelta(days=day)
    settlements.record_payment(
        invoice=invoice,
        amount=Decimal(amount),
        currency="EUR",
        received_on=now.date(),
        actor=ACTOR,
        now=now,
    )


def _steps() -> list[tuple[str, int, int]]:
    """Kind, number and on which day after it was due."""
    rows = DunningStep.objects.order_by("done_at", "kind")
    return [(each.kind, each.number, (each.on - DUE.date()).days) for each in rows]


def _now(instance: Instance) -> Instance:
    return Instance.objects.get(pk=instance.pk)


def test_it_is_reminded_of_suspended_for_and_given_back_on_payment(
    invoice: Invoice, book: Instance, work_off: WorkOff
) -> None:
    _after(20)
    assert _steps() == [("reminder", 1, 3), ("reminder", 2, 10), ("suspension", 1, 20)]
    book = _now(book)
    assert book.suspended_for == "Invoice INV-000001 was due on 2026-02-15; pay it to go on."
    assert work_off(book).kind == Operation.Kind.STOP
    with pytest.raises(Refused, match="book is suspended: Invoice INV-000001"):
        instances.start(instance=book, actor=ACTOR)
    _pay(invoice, 22)
    _after(22, since=22)
    assert _now(book).suspended_at is None
    assert work_off(book).kind == Operation.Kind.START
    assert _steps()[-1] == ("resumption", 1, 22)
    assert not dunning.open_of(invoice.client).exists()
    actions = AuditEvent.objects.filter(action__startswith="dunning.").values_list("action")
    assert [action for (action,) in actions.order_by("sequence")] == [
        "dunning.policy_set",
        *("dunning.reminder", "dunning.reminder", "dunning.suspension", "dunning.resumption"),
    ]


def test_letters_say_how_much_and_where_to(invoice: Invoice) -> None:
    _pay(invoice, 1, "5.70")
    _after(20)
    subjects = [each.subject for each in mail.outbox]
    assert subjects == [
        "Reminder: invoice INV-000001 is overdue",
        "Reminder: invoice INV-000001 is overdue",
        "Your instances are suspended: invoice INV-000001 is overdue",
    ]
    letter = mail.outbox[0]
    assert letter.to == ["books@acme.example"]
    assert "EUR 30.00 of invoice INV-000001 of 2026-02-01 were due on 2026-02-15" in letter.body
    assert "DE02120300000000202051, reference INV-000001" in letter.body
    assert "/c/acme/" in letter.body


def test_many_looks_a_day_do_nothing_twice(invoice: Invoice) -> None:
    for day in range(25):
        for _ in range(3):
            _after(day, since=day)
    assert len(_steps()) == len(mail.outbox) == 3
    assert DunningSuspension.objects.count() == 1
    assert AuditEvent.objects.filter(action="instance.suspended").count() == 1


def test_after_an_outage_nobody_is_suspended_without_a_warning(
    invoice: Invoice, book: Instance
) -> None:
    _after(30, since=30)
    assert _steps() == [("reminder", 2, 30)]
    assert _now(book).suspended_at is None
    _after(33, since=31)
    assert _steps()[-1] == ("suspension", 1, 33)


def test_notice_is_given_in_the_end_and_nothing_is_deleted(
    invoice: Invoice, book: Instance
) -> None:
    _after(60)
    assert _steps()[-1] == ("notice", 1, 40)
    assert mail.outbox[-1].subject == "Notice of termination: invoice INV-000001 is not paid"
    assert _now(book).delete_requested_at is None


def test_grace_gives_back_and_when_it_is_over_it_is_taken_again(
    invoice: Invoice, book: Instance, acme: Client
) -> None:
    _after(20)
    until = DUE.date() + timedelta(days=25)
    now = DUE + timedelta(days=21)
    dunning.grant_grace(client=acme, until=until, reason="They called.", actor=ACTOR, now=now)
    assert _now(book).suspended_at is None
    _after(25, since=21)
    assert _now(book).suspended_at is None
    _after(26, since=26)
    assert _now(book).suspended_at is not None
    with pytest.raises(Refused, match="today or a later day"):
        dunning.grant_grace(client=acme, until=date(2026, 1, 1), reason="x", actor=ACTOR, now=now)
    with pytest.raises(Refused) as refused:
        dunning.grant_grace(client=acme, until=until, reason=" ", actor=ACTOR, now=now)
    assert refused.value.field == "reason"


def test_a_credit_note_over_all_of_it_gives_back_too(invoice: Invoice, book: Instance) -> None:
    _after(20)
    now = DUE + timedelta(days=21)
    credit_notes.issue(invoice=invoice, reason="Our mistake", actor=ACTOR, now=now)
    dunning.advance(now=now)
    assert _now(book).suspended_at is None
    assert Settlement.objects.get().state == "void"


def test_what_staff_suspended_stays_theirs(invoice: Invoice, book: Instance) -> None:
    suspensions.suspend(instance=book, reason="Abuse is being looked into.", actor=ACTOR)
    _after(20)
    _pay(invoice, 21)
    _after(21, since=21)
    assert _now(book).suspended_for == "Abuse is being looked into."
    assert not DunningSuspension.objects.exists()


def test_what_staff_gave_back_without_a_grace_is_taken_again(
    invoice: Invoice, book: Instance
) -> None:
    _after(20)
    suspensions.resume(instance=book, actor=ACTOR)
    _after(21, since=21)
    assert _now(book).suspended_at is not None
    assert DunningSuspension.objects.get().lifted_at is None


def test_what_staff_made_a_suspension_of_their_own_is_not_given_back(
    invoice: Invoice, book: Instance
) -> None:
    _after(20)
    suspensions.resume(instance=book, actor=ACTOR)
    suspensions.suspend(instance=book, reason="Abuse is being looked into.", actor=ACTOR)
    _pay(invoice, 21)
    _after(21, since=21)
    assert _now(book).suspended_for == "Abuse is being looked into."
    assert not dunning.open_of(invoice.client).exists()


def test_one_client_that_fails_keeps_no_other_waiting_and_is_told(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, work = uuid.uuid4(), dunning._concerned
    monkeypatch.setattr(dunning, "_concerned", lambda now: [other, *work(now)])
    with pytest.raises(Refused, match="no billing details"):
        dunning.advance(now=DUE + timedelta(days=3))
    assert _steps() == [("reminder", 1, 3)]


def test_letters_that_nobody_takes_keep_no_others_waiting(
    invoice: Invoice, acme: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dunning_letters, "AT_ONCE", 1)
    money.set_details(acme, email="")
    _after(3)
    assert DunningStep.objects.get().mail_problem.startswith("Nobody has an address")
    dunning.advance(now=DUE + timedelta(days=10))
    money.set_details(acme, email="books@acme.example")
    dunning_letters.send_due(now=DUE + timedelta(days=10))
    assert DunningStep.objects.get(number=2).mailed_at is not None
    dunning_letters.send_due(now=DUE + timedelta(days=10))
    assert DunningStep.objects.get(number=1).mailed_at is not None


def test_while_it_lasts_nothing_can_be_ordered(
    invoice: Invoice, acme: Client, small: Plan, order: Callable[..., Instance]
) -> None:
    _after(20)
    with pytest.raises(Refused, match="Invoice INV-000001 is overdue"):
        order("second")
    _pay(invoice, 21)
    _after(21, since=21)
    order("second")


def test_without_an_address_owners_and_billing_members_are_written_to(
    invoice: Invoice, acme: Client, policy: DunningPolicy
) -> None:
    money.set_details(acme, email="")
    for name, role in (("alice", Role.OWNER), ("bob", Role.BILLING), ("carol", Role.VIEWER)):
        user = User.objects.create_user(f"{name}@acme.example", "correct horse", name=name)
        members.add(client=acme, user=user, role=role, actor=ACTOR)
    _after(3)
    assert mail.outbox[0].to == ["alice@acme.example", "bob@acme.example"]


def test_a_mail_server_that_is_away_keeps_nothing_from_being_done(
    invoice: Invoice, book: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> int:
        raise smtplib.SMTPServerDisconnected("gone")

    with monkeypatch.context() as broken:
        broken.setattr(EmailMessage, "send", away)
        _after(20)
    assert _now(book).suspended_at is not None
    assert mail.outbox == []
    step = DunningStep.objects.first()
    assert step is not None
    assert "SMTPServerDisconnected" in step.mail_problem
    assert dunning_letters.send_due(now=DUE + timedelta(days=20)) == 3
    assert len(mail.outbox) == 3
    assert dunning_letters.send_due(now=DUE + timedelta(days=20)) == 0


def test_rules_that_make_no_sense_are_refused(policy: DunningPolicy) -> None:
    with pytest.raises(Refused, match="days after the first reminder"):
        dunning.set_policy(reminders=(), suspend_after=9, notice_after=None, actor=ACTOR)
    assert DunningPolicy.objects.get().reminders == [3, 10]


def test_without_a_policy_nobody_is_reminded(invoice: Invoice) -> None:
    DunningPolicy.objects.all().delete()
    _after(30)
    assert _steps() == []


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
