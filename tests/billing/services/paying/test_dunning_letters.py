"""Letters about an overdue invoice: what they say, and what becomes of those that nobody takes."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
from django.core import mail
from django.core.mail import EmailMessage

from billing import tasks
from billing.models import DunningPolicy, DunningStep, Invoice
from billing.services import posting
from billing.services.paying import dunning, dunning_letters
from hosting.models import Instance
from tenants.errors import Refused
from tenants.models import AuditEvent, Client, Role, User
from tenants.services import members
from tests.billing import money
from tests.billing.money import ACTOR
from tests.billing.services.paying.owing import DUE, after, fresh, pay, steps

pytestmark = pytest.mark.django_db
Fails = Callable[[Exception], None]


@contextmanager
def _failing(error: Exception) -> Iterator[None]:
    """Every mail fails like this."""

    def send(*_: object, **__: object) -> int:
        raise error

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(EmailMessage, "send", send)
        yield


GONE = smtplib.SMTPServerDisconnected("gone")
NOBODY = smtplib.SMTPRecipientsRefused({"books@acme.example": (550, b"No such user")})


def test_letters_say_how_much_and_where_to(invoice: Invoice) -> None:
    pay(invoice, 1, "5.70")
    after(20)
    subjects = [each.subject for each in mail.outbox]
    assert subjects == [
        "Reminder: invoice INV-000001 is overdue",
        "Reminder: invoice INV-000001 is overdue",
        "Your instances are suspended: invoice INV-000001 is overdue",
    ]
    letter = mail.outbox[0]
    assert letter.to == ["books@acme.example"]
    assert "EUR 30.00 of invoice INV-000001 of 2026-02-01 were due on 2026-02-15" in letter.body
    assert "IBAN: DE02 1203 0000 0000 2020 51" in letter.body
    assert "Reference: INV-000001" in letter.body
    assert "/c/acme/" in letter.body


def test_without_an_address_owners_and_billing_members_are_written_to(
    invoice: Invoice, acme: Client, policy: DunningPolicy
) -> None:
    money.set_details(acme, email="")
    for name, role in (("alice", Role.OWNER), ("bob", Role.BILLING), ("carol", Role.VIEWER)):
        user = User.objects.create_user(f"{name}@acme.example", "correct horse", name=name)
        members.add(client=acme, user=user, role=role, actor=ACTOR)
    after(3)
    assert mail.outbox[0].to == ["alice@acme.example", "bob@acme.example"]


def test_a_reminder_says_on_which_day_the_instances_are_suspended(invoice: Invoice) -> None:
    after(20)
    warned = "not paid before 2026-03-07, your instances are suspended on that day"
    assert [warned in each.body for each in mail.outbox] == [True, True, False]
    assert DUE.date() + timedelta(days=20) == date(2026, 3, 7)


def test_a_late_reminder_gives_as_many_days_as_it_takes(invoice: Invoice) -> None:
    after(30, since=30)
    assert "not paid before 2026-03-20, your" in mail.outbox[0].body
    after(33, since=31)
    assert steps()[-1] == ("suspension", 1, 33)
    assert DUE.date() + timedelta(days=33) == date(2026, 3, 20)


def test_without_suspensions_no_letter_speaks_of_them(invoice: Invoice) -> None:
    dunning.set_policy(reminders=(3,), suspend_after=None, notice_after=None, actor=ACTOR)
    after(3)
    assert "suspended" not in mail.outbox[0].body


def test_a_notice_says_when_the_contract_ends(invoice: Invoice) -> None:
    dunning.set_policy(
        reminders=(3,), suspend_after=20, notice_after=40, notice_days=14, actor=ACTOR
    )
    after(40)
    assert mail.outbox[-1].subject == "Notice of termination: invoice INV-000001 is not paid"
    assert "paid before 2026-04-10, your contract ends on that day" in mail.outbox[-1].body
    assert DunningStep.objects.get(kind="notice").ends_on == date(2026, 4, 10)
    assert AuditEvent.objects.get(action="dunning.notice").after["ends_on"] == "2026-04-10"


def test_nobody_is_suspended_while_no_letter_goes_out(invoice: Invoice, book: Instance) -> None:
    with _failing(GONE):
        after(25)
    assert steps() == [("reminder", 1, 3), ("reminder", 2, 10)]
    assert mail.outbox == []
    assert "SMTPServerDisconnected" in DunningStep.objects.get(number=2).mail_problem
    after(27, since=26)
    assert [each.subject for each in mail.outbox] == ["Reminder: invoice INV-000001 is overdue"]
    assert DunningStep.objects.get(number=1).mail_problem == dunning_letters.NEWER
    assert fresh(book).suspended_at is None
    after(29, since=28)
    assert fresh(book).suspended_at is not None
    assert DunningStep.objects.get(kind="suspension").mailed_to == ["books@acme.example"]


def test_a_server_that_is_away_is_asked_once_a_round(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def away(letter: EmailMessage, *_: object) -> int:
        asked.append(letter.subject)
        raise GONE

    dunning.advance(now=DUE + timedelta(days=3))
    dunning.advance(now=DUE + timedelta(days=10))
    monkeypatch.setattr(EmailMessage, "send", away)
    for minutes in (0, 1, 2):
        dunning_letters.send_due(now=DUE + timedelta(days=10, minutes=minutes))
    assert len(asked) == 1, "one was found out of date, and the other waits for five minutes"


def test_who_can_not_be_reached_is_suspended_all_the_same_and_finance_sees_why(
    invoice: Invoice, book: Instance
) -> None:
    at_first = DUE + timedelta(days=3)
    with _failing(NOBODY):
        dunning.advance(now=at_first)
        moment = at_first
        for wait in (timedelta(0), *posting.AGAIN_AFTER):
            moment += wait
            assert dunning_letters.send_due(now=moment - timedelta(seconds=1)) == 0
            dunning_letters.send_due(now=moment)
    step = DunningStep.objects.get()
    assert (step.send_at, step.told_at, step.failures) == (None, moment, 5)
    assert "No such user" in step.mail_problem
    dunning.advance(now=DUE + timedelta(days=20))
    assert fresh(book).suspended_at is not None


def test_staff_have_a_letter_sent_again(invoice: Invoice, acme: Client) -> None:
    money.set_details(acme, email="")
    at_first = DUE + timedelta(days=3)
    dunning.advance(now=at_first)
    for hours in (0, 1, 3, 10, 40):
        dunning_letters.send_due(now=at_first + timedelta(hours=hours))
    step = DunningStep.objects.get()
    assert (step.send_at, step.mail_problem) == (None, posting.NO_ADDRESS)
    money.set_details(acme, email="books@acme.example")
    later = at_first + timedelta(days=2)
    dunning_letters.send_again(step=step, actor=ACTOR, now=later)
    assert dunning_letters.send_due(now=later) == 1
    assert mail.outbox[0].to == ["books@acme.example"]
    assert AuditEvent.objects.filter(action="dunning.letter_asked_for").count() == 1
    step.refresh_from_db()
    with pytest.raises(Refused, match="was sent"):
        dunning_letters.send_again(step=step, actor=ACTOR, now=later)


def test_letters_that_nobody_takes_keep_no_others_waiting(
    invoice: Invoice, acme: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dunning_letters, "AT_ONCE", 1)
    money.set_details(acme, email="")
    after(3)
    step = DunningStep.objects.get()
    assert step.mail_problem == posting.NO_ADDRESS
    money.set_details(acme, email="books@acme.example")
    DunningStep.objects.create(
        invoice=invoice, kind="notice", on=DUE.date(), done_at=DUE, send_at=step.done_at
    )
    assert dunning_letters.send_due(now=step.done_at) == 1, "the one that waits is not in its way"


def test_a_letter_that_would_be_wrong_by_now_is_not_sent(invoice: Invoice) -> None:
    with _failing(GONE):
        after(3)
    pay(invoice, 4)
    after(4, since=4)
    assert mail.outbox == []
    assert DunningStep.objects.get().mail_problem == dunning_letters.SETTLED


def test_who_is_left_alone_gets_no_reminder_that_had_waited(invoice: Invoice, acme: Client) -> None:
    with _failing(GONE):
        after(3)
    now = DUE + timedelta(days=4)
    dunning.grant_grace(client=acme, until=now.date(), reason="Asked.", actor=ACTOR, now=now)
    after(4, since=4)
    assert mail.outbox == []
    assert DunningStep.objects.get().mail_problem == dunning_letters.LEFT_ALONE


def test_a_suspension_that_is_over_is_not_told(invoice: Invoice, acme: Client) -> None:
    after(19)
    mail.outbox.clear()
    dunning.advance(now=DUE + timedelta(days=20))
    now = DUE + timedelta(days=20, hours=1)
    dunning.grant_grace(client=acme, until=now.date(), reason="Asked.", actor=ACTOR, now=now)
    DunningPolicy.objects.all().delete()
    later = now + timedelta(days=1)
    dunning_letters.send_due(now=later)
    assert [each.subject for each in mail.outbox] == ["Your instances are yours again"]
    assert DunningStep.objects.get(kind="suspension").mail_problem == dunning_letters.GIVEN_BACK


def test_one_client_that_fails_keeps_no_letter_waiting(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    dunning.advance(now=DUE + timedelta(days=3))

    def fail(*, now: object) -> None:
        raise RuntimeError("one client")

    monkeypatch.setattr(dunning, "advance", fail)
    with pytest.raises(RuntimeError):
        tasks._dun()
    assert len(mail.outbox) == 1
