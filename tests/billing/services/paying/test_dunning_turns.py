"""Dunning when things turn: parts paid, several invoices, money taken back, crashes and races."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction

from billing import tasks
from billing.models import (
    DunningPolicy,
    DunningStep,
    DunningSuspension,
    Invoice,
    Payment,
)
from billing.services.invoicing import credit_notes, runs
from billing.services.paying import dunning, receipts, settlements
from billing.services.paying.receipts import Share, Way
from billing.views import in_hosting
from hosting.models import Instance, Operation
from hosting.services import suspensions
from hosting.services.working import doorbell
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing.money import ACTOR, at, end
from tests.billing.services.paying.owing import DUE, after, fresh, pay, steps

pytestmark = pytest.mark.django_db
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def second(invoice: Invoice) -> Invoice:
    """Of February, issued on 1 March and due on the 15th: 28 days after the first."""
    runs.bill_due(now=at("2026-03-01"))
    return Invoice.objects.get(first_day=at("2026-02-01").date())


def _take_back(invoice: Invoice, now: datetime) -> None:
    """As the bank returns a transfer."""
    with transaction.atomic():
        settlements.lock_client(invoice.client_id)
        way = Way(invoice.client, "EUR", Payment.Method.TRANSFER, now.date(), ACTOR, "returned")
        share = Share(invoice, Decimal("35.70"))
        receipts.take_back(way=way, shares=[share], amount=share.amount, now=now)


def test_a_part_is_not_enough_to_be_given_back(invoice: Invoice, book: Instance) -> None:
    after(20)
    pay(invoice, 21, "35.69")
    after(21, since=21)
    assert fresh(book).suspended_at is not None
    pay(invoice, 22, "0.01")
    after(22, since=22)
    assert fresh(book).suspended_at is None


def test_a_part_that_is_credited_and_the_rest_paid_is_enough(
    invoice: Invoice, book: Instance
) -> None:
    after(20)
    now = DUE + timedelta(days=21)
    credit_notes.issue(invoice=invoice, reason="Half", net=Decimal(15), actor=ACTOR, now=now)
    dunning.advance(now=now)
    assert fresh(book).suspended_at is not None
    pay(invoice, 21, "17.85")
    dunning.advance(now=now)
    assert fresh(book).suspended_at is None


def test_with_two_overdue_the_client_reads_which_one_is_in_the_way_now(
    invoice: Invoice, second: Invoice, book: Instance
) -> None:
    after(48)  # the second is 20 days overdue as well
    assert fresh(book).suspended_for.startswith("Invoice INV-000001 ")
    mail.outbox.clear()
    pay(invoice, 49)
    after(49, since=49)
    assert fresh(book).suspended_for.startswith("Invoice INV-000002 ")
    way_out = in_hosting.to_pay(instance=book)
    assert way_out is not None
    assert way_out.words == "How to pay INV-000002"
    assert [each.subject for each in mail.outbox] == [
        "Your instances are suspended: invoice INV-000002 is overdue"
    ]
    assert AuditEvent.objects.filter(action="instance.resumed").count() == 0
    pay(second, 50)
    after(50, since=50)
    assert fresh(book).suspended_at is None
    assert DunningSuspension.objects.get().lifted_at is not None


def test_what_is_not_so_late_yet_keeps_nothing_suspended(
    invoice: Invoice, second: Invoice, book: Instance
) -> None:
    after(40)  # the second was reminded of twice
    pay(invoice, 41)
    after(41, since=41)
    assert fresh(book).suspended_at is None
    kinds = DunningStep.objects.filter(invoice=second).values_list("kind", "number")
    assert sorted(kinds) == [("reminder", 1), ("reminder", 2)]


def test_what_was_paid_and_is_taken_back_is_reminded_of_anew_before_anything(
    invoice: Invoice, book: Instance
) -> None:
    after(20)
    pay(invoice, 21)
    after(22, since=21)
    assert fresh(book).suspended_at is None
    mail.outbox.clear()
    _take_back(invoice, DUE + timedelta(days=30))
    after(32, since=30)
    assert steps()[-1] == ("reminder", 3, 30)
    assert fresh(book).suspended_at is None, "of that nobody was warned"
    after(33, since=33)
    assert steps()[-1] == ("suspension", 2, 33)
    assert fresh(book).suspended_at is not None
    assert [each.subject.partition(":")[0] for each in mail.outbox] == [
        "Reminder",
        "Your instances are suspended",
    ]


def test_what_is_taken_again_after_a_grace_is_told_again(
    invoice: Invoice, book: Instance, acme: Client
) -> None:
    after(20)
    now = DUE + timedelta(days=21)
    until = now.date() + timedelta(days=20)
    dunning.grant_grace(client=acme, until=until, reason="Asked.", actor=ACTOR, now=now)
    after(60, since=21)
    assert steps()[-2:] == [("resumption", 1, 21), ("suspension", 2, 42)]
    assert mail.outbox[-1].subject.startswith("Your instances are suspended")
    after(62, since=61)
    assert steps()[-1] == ("notice", 1, 62), "twenty days after it was suspended again"


def test_who_has_no_instance_any_more_is_told_what_is_true_and_orders_none(
    invoice: Invoice, book: Instance, order: Callable[..., Instance], acme: Client
) -> None:
    end(book, "2026-02-20 12:00")
    after(22)
    assert mail.outbox[-1].subject == "Nothing can be ordered: invoice INV-000001 is overdue"
    assert "instances are stopped" not in mail.outbox[-1].body
    assert steps()[-1] == ("suspension", 1, 20)
    with pytest.raises(Refused, match="Invoice INV-000001 is overdue"):
        order("second")
    pay(invoice, 23)
    order("second")


def test_days_are_the_clients(invoice: Invoice, acme: Client) -> None:
    Client.objects.filter(pk=acme.pk).update(timezone="Pacific/Kiritimati")  # UTC+14
    dunning.advance(now=datetime(2026, 2, 17, 9, 59, tzinfo=UTC))
    assert steps() == []
    dunning.advance(now=datetime(2026, 2, 17, 10, 0, tzinfo=UTC))
    assert steps() == [("reminder", 1, 3)]
    Client.objects.filter(pk=acme.pk).update(timezone="Pacific/Honolulu")  # UTC-10
    dunning.advance(now=datetime(2026, 2, 25, 9, 59, tzinfo=UTC))
    assert len(steps()) == 1
    dunning.advance(now=datetime(2026, 2, 25, 10, 0, tzinfo=UTC))
    assert steps()[-1] == ("reminder", 2, 10)


def test_without_rules_any_more_everything_is_given_back(invoice: Invoice, book: Instance) -> None:
    after(20)
    DunningPolicy.objects.all().delete()
    after(21, since=21)
    assert fresh(book).suspended_at is None


def test_a_crash_in_the_middle_leaves_nothing_half_done(
    invoice: Invoice, book: Instance, order: Callable[..., Instance], work_off: WorkOff
) -> None:
    other = order("second")
    work_off(other)
    after(19)
    suspend, calls = suspensions.suspend, []

    def crash(**named: Any) -> Instance:
        calls.append(named["instance"])
        if len(calls) == 2:
            raise RuntimeError("the worker died")
        return suspend(**named)

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(suspensions, "suspend", crash)
        with pytest.raises(RuntimeError):
            dunning.advance(now=DUE + timedelta(days=20))
    assert len(steps()) == 2
    assert not Instance.objects.exclude(suspended_at=None).exists()
    assert not AuditEvent.objects.filter(action="dunning.suspension").exists()
    after(20, since=20)
    assert Instance.objects.exclude(suspended_at=None).count() == 2
    assert AuditEvent.objects.filter(action="dunning.suspension").count() == 1


def test_who_pays_has_it_back_at_once(
    invoice: Invoice,
    book: Instance,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(doorbell, "ring_for", lambda *, task: rung.append(task))
    with django_capture_on_commit_callbacks(execute=True):
        pay(invoice, 1, "5.70")
    after(20)
    with django_capture_on_commit_callbacks(execute=True):
        pay(invoice, 21, "5.00")
    assert rung == []
    with django_capture_on_commit_callbacks(execute=True):
        pay(invoice, 21, "25.00")
    assert rung == [tasks.give_back_paid.name]
    tasks.give_back_paid()
    assert fresh(book).suspended_at is None
    assert mail.outbox[-1].subject == "Your instances are yours again"


def test_staffs_reason_that_came_in_between_is_theirs(invoice: Invoice, book: Instance) -> None:
    after(20)
    stale = DunningSuspension.objects.select_related("instance").get().instance
    reason = stale.suspended_for
    suspensions.resume(instance=book, actor=ACTOR)
    suspensions.suspend(instance=book, reason="Abuse is being looked into.", actor=ACTOR)
    suspensions.resume(instance=stale, actor=ACTOR, only_for=reason)
    assert fresh(book).suspended_for == "Abuse is being looked into."


@pytest.mark.django_db(transaction=True)
def test_a_payment_and_six_workers_at_once_agree(invoice: Invoice, book: Instance) -> None:
    """The payment holds the client's billing details when the six begin; they wait and see it."""
    after(19)
    began, failed = threading.Barrier(7), []
    now = DUE + timedelta(days=20)

    def look() -> None:
        try:
            began.wait()
            dunning.advance(now=now)
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    with transaction.atomic():
        settlements.lock_client(invoice.client_id)
        began.wait()
        threads[0].join(0.3)  # they are at the lock by now, or come to it later: both must do
        pay(invoice, 20)
    for thread in threads:
        thread.join()
    assert failed == []
    assert fresh(book).suspended_at is None
    assert [kind for kind, *_ in steps()] == ["reminder", "reminder"]


@pytest.mark.django_db(transaction=True)
def test_six_workers_at_once_do_every_step_once(invoice: Invoice, book: Instance) -> None:
    after(19)
    began, failed = threading.Barrier(6), []

    def look() -> None:
        try:
            began.wait()
            dunning.advance(now=DUE + timedelta(days=20))
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert steps()[-1] == ("suspension", 1, 20)
    assert DunningSuspension.objects.count() == 1
    for action in ("dunning.suspension", "instance.suspended"):
        assert AuditEvent.objects.filter(action=action).count() == 1
