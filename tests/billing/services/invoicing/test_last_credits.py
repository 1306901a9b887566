"""What a client that is gone was charged too much comes back by credit notes, once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest
from django.db import connection
from django.db.models import F

from billing.models import (
    BillingPeriod,
    CreditEntry,
    Invoice,
    InvoiceLine,
    Settlement,
    Subscription,
)
from billing.services import discounts
from billing.services.invoicing import credit_notes, runs
from billing.services.paying import settlements
from hosting.models import Instance, Plan, Server, UsageSum
from hosting.services.measuring import usage_events, usage_sums
from hosting.services.measuring.usage_checks import Usage
from tenants.models import AuditEvent, Client
from tests.billing import books, money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db

Report = Callable[..., None]
EXECUTIONS = {"meter": "executions", "model": "standard", "tiers": [[None, "1.00"]]}
FORK = multiprocessing.get_context("fork")
_numbers = count()


@pytest.fixture
def running(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Instance:
    """Acme's instance since January, at 28 euros a month, and one an execution: 20 and then 8."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small, "28.00", charges=[EXECUTIONS])
    book = money.run_since(order(), "2026-01-01")
    report(book, 20, "2026-01-10")
    report(book, 8, "2026-02-05")
    bill("2026-02-01")
    return book


@pytest.fixture
def book(running: Instance) -> Instance:
    """The same, which ended on 10 February."""
    money.end(running, "2026-02-10 12:00")
    bill("2026-02-11")
    assert [each.net for each in invoices()] == [Decimal("48.00"), Decimal("18.00")]
    return running


def report(instance: Instance, amount: float, moment: str, told: str = "") -> None:
    """So many executions ended then, told a while later."""
    usage = Usage(
        at=at(moment),
        meter="executions",
        label="success",
        amount=amount,
        key="",
        is_level=False,
        source="test",
        event_id=str(next(_numbers)),
        input=None,
        output=None,
        cached=None,
    )
    now = at(told or moment)
    usage_events.write(instance_id=instance.pk, usages=[usage], now=now)
    usage_sums.sum_up(now=now + timedelta(seconds=1))


def less(instance: Instance, amount: str, day: str, told: str) -> None:
    """So many of what was told of a day had not been, as it was found then."""
    rows = UsageSum.objects.filter(instance=instance, meter="executions", span="day", on=day)
    changed = rows.update(
        total=F("total") - Decimal(amount), computed_at=at(told) + timedelta(seconds=1)
    )
    assert changed == 1


def bill(moment: str) -> None:
    runs.bill_due(now=at(moment))


def invoices() -> list[Invoice]:
    return list(Invoice.objects.filter(kind="invoice", state="issued").order_by("sequence"))


def notes() -> list[tuple[str, str]]:
    """Which invoice each corrects, and by how much without VAT."""
    rows = Invoice.objects.filter(kind="credit_note", state="issued").order_by("sequence")
    return [(each.corrects.number if each.corrects else "", str(each.net)) for each in rows]


def test_a_credit_for_downtime_that_waits_is_on_the_last_invoice_of_late_usage(
    running: Instance,
) -> None:
    """It did not fit on the one of the last days, and no other comes."""
    Plan.objects.update(sla_tiers=[[99.0, 25]])
    money.be_down(running, "2026-01-10")
    money.end(running, "2026-02-02 12:00")
    bill("2026-02-03")
    assert money.lines(invoices()[-1]) == [("recurring", "2", "2.00")]
    report(running, 9, "2026-01-20", told="2026-03-01")
    bill("2026-03-02")
    assert money.lines(invoices()[-1]) == [("adjustment", "1", "9.00"), ("downtime", "-1", "-7.00")]


def test_what_was_charged_too_much_comes_back_once(book: Instance) -> None:
    less(book, "5", "2026-01-10", told="2026-03-01")
    for moment in ("2026-03-02", "2026-03-02 00:10", "2026-03-03", "2026-04-01"):
        bill(moment)
    assert notes() == [("INV-000001", "5.000")]
    note = Invoice.objects.get(kind="credit_note")
    assert (note.vat, note.total, note.number) == (
        Decimal("0.95"), Decimal("5.95"), "CN-000001"
    )  # fmt: skip
    assert note.reason == (
        "Usage from 2026-01-01 to 2026-01-31 was corrected after it had been billed."
    )
    line = note.lines.get()
    assert (line.name, line.meter, str(line.first_day), str(line.last_day)) == (
        "Executions from 2026-01-01 to 2026-01-31, reported late",
        "executions",
        "2026-01-01",
        "2026-01-31",
    )
    assert line.description == note.reason
    settlement = Settlement.objects.get(invoice__sequence=1, invoice__kind="invoice")
    assert settlement.open == settlement.total - note.total
    event = AuditEvent.objects.get(action="invoice.credited")
    assert (event.after["invoice"], event.after["total"]) == ("INV-000001", "5.950")
    assert event.actor_label.startswith("Berth")
    books.no_usage_is_left_out()
    books.balances({})


def test_what_was_paid_becomes_credit(book: Instance) -> None:
    first = invoices()[0]
    settlements.record_payment(
        invoice=first,
        amount=first.total,
        currency="EUR",
        received_on=at("2026-02-10").date(),
        actor=ACTOR,
        now=at("2026-02-10"),
    )
    less(book, "5", "2026-01-10", told="2026-03-01")
    bill("2026-03-02")
    assert CreditEntry.objects.get(kind="credited").amount == Decimal("5.95")
    books.balances({"EUR": first.total})


def test_it_waits_for_more_as_long_as_a_draft_would(book: Instance) -> None:
    money.set_seller(grace_hours=24)
    less(book, "5", "2026-01-10", told="2026-03-01 12:00")
    bill("2026-03-02 11:00")
    assert notes() == []
    less(book, "1", "2026-01-10", told="2026-03-02 11:30")
    bill("2026-03-02 13:00")
    assert notes() == []
    bill("2026-03-03 12:00")
    assert notes() == [("INV-000001", "6.000")]


def test_nothing_is_credited_while_another_invoice_is_to_come(
    book: Instance, order: Callable[..., Instance]
) -> None:
    money.run_since(order("other"), "2026-03-01")
    less(book, "5", "2026-01-10", told="2026-03-03")
    bill("2026-03-04")
    assert notes() == []
    bill("2026-04-01")
    last = invoices()[-1]
    assert last.net == Decimal("23.00")  # of 28 for the other one
    assert notes() == []


def test_each_invoice_gives_back_what_it_charged(book: Instance) -> None:
    less(book, "5", "2026-01-10", told="2026-03-01")
    less(book, "2", "2026-02-05", told="2026-03-01")
    bill("2026-03-02")
    assert notes() == [("INV-000001", "5.000"), ("INV-000002", "2.000")]
    books.numbers_have_no_gap()


def test_what_was_charged_late_is_given_back_of_its_own_invoice_first(book: Instance) -> None:
    report(book, 4, "2026-01-12", told="2026-02-20")
    bill("2026-02-21")  # a last invoice for it
    less(book, "6", "2026-01-10", told="2026-03-01")
    bill("2026-03-02")
    assert notes() == [("INV-000001", "2.000"), ("INV-000003", "4.000")]
    less(book, "3", "2026-01-10", told="2026-03-05")
    bill("2026-03-06")
    assert notes()[2:] == [("INV-000001", "3.000")]
    books.no_usage_is_left_out()


def test_what_comes_to_more_in_all_makes_an_invoice_that_takes_in_the_rest(
    book: Instance,
) -> None:
    less(book, "5", "2026-01-10", told="2026-03-01")
    report(book, 3, "2026-02-04", told="2026-03-01")
    bill("2026-03-02")
    assert invoices()[-1].net == 0
    assert notes() == []
    bill("2026-03-03")
    assert notes() == [("INV-000001", "2.000")]
    books.no_usage_is_left_out()


def test_no_more_is_given_back_than_is_left(running: Instance) -> None:
    """Of 10 for the plan and 8 for usage a coupon took 12 off."""
    fields = {"value": Decimal(12), "currency": "EUR", "periods": 1, "valid_until": None}
    discounts.create_coupon(
        actor=ACTOR,
        fields={"code": "LOTS", "kind": "amount", **fields},  # type: ignore[typeddict-item]
    )
    subscription = Subscription.objects.get()
    on = at("2026-02-02").date()
    discounts.redeem(subscription=subscription, code="LOTS", actor=ACTOR, on=on)
    money.end(running, "2026-02-10 12:00")
    bill("2026-02-11")
    assert invoices()[-1].net == Decimal(6)
    less(running, "8", "2026-02-05", told="2026-03-01")
    for moment in ("2026-03-02", "2026-03-02 00:10", "2026-03-03"):
        bill(moment)
    assert notes() == [("INV-000002", "6.000")]
    assert Settlement.objects.get(invoice=invoices()[-1]).state == "void"


def test_of_an_invoice_that_was_credited_as_a_whole_nothing_is(book: Instance) -> None:
    credit_notes.issue(invoice=invoices()[0], reason="Sorry", actor=ACTOR, now=at("2026-02-20"))
    less(book, "10", "2026-01-10", told="2026-03-01")
    bill("2026-03-02")
    assert len(notes()) == 1
    assert BillingPeriod.objects.order_by("first_day")[0].rated_at == at("2026-03-02")


def test_what_was_credited_by_hand_counts_first(book: Instance) -> None:
    less(book, "5", "2026-01-10", told="2026-03-01")
    credit_notes.issue(
        invoice=invoices()[0],
        net=Decimal(5),
        reason="Executions",
        actor=ACTOR,
        now=at("2026-03-01 09:00"),
    )
    for moment in ("2026-03-02", "2026-03-03"):
        bill(moment)
    assert notes() == [("INV-000001", "5.000")]
    less(book, "1", "2026-01-10", told="2026-03-10")
    less(book, "2", "2026-02-05", told="2026-03-10")
    for moment in ("2026-03-11", "2026-03-12"):
        bill(moment)
    assert notes()[1:] == [("INV-000001", "1.000"), ("INV-000002", "2.000")]


@pytest.mark.parametrize("cents", [1, 3, 7, 11, 23, 49, 99])
def test_cents_whose_vat_can_not_be_rounded_stay(
    cents: int, book: Instance, order: Callable[..., Instance]
) -> None:
    """A few at most; and the invoice can be credited to the last cent afterwards."""
    less(book, str(Decimal(cents) / 100), "2026-01-10", told="2026-03-01")
    for moment in ("2026-03-02", "2026-03-03"):
        bill(moment)
    given = sum((Decimal(net) for _, net in notes()), Decimal(0))
    assert Decimal(cents) / 100 - Decimal("0.05") <= given <= Decimal(cents) / 100
    first = invoices()[0]
    credit_notes.issue(invoice=first, reason="All of it", actor=ACTOR, now=at("2026-03-05"))
    settlement = Settlement.objects.get(invoice=first)
    assert (settlement.state, settlement.credited) == ("void", first.total)


def test_who_comes_back_is_charged_what_is_corrected_upwards_again(
    book: Instance, order: Callable[..., Instance]
) -> None:
    less(book, "5", "2026-01-10", told="2026-03-01")
    bill("2026-03-02")
    money.run_since(order("other"), "2026-03-05")
    report(book, 2, "2026-01-13", told="2026-03-10")
    bill("2026-04-01")
    late = invoices()[-1].lines.get(kind="adjustment")
    assert late.net == Decimal(2)
    books.every_line_opens()
    books.no_usage_is_left_out()


@pytest.mark.django_db(transaction=True)
def test_of_two_runs_at_once_one_gives_it_back(book: Instance) -> None:
    less(book, "5", "2026-01-10", told="2026-03-01")
    connection.close()  # the processes open their own
    processes = [FORK.Process(target=bill, args=("2026-03-02",)) for _ in range(4)]
    for each in processes:
        each.start()
    for each in processes:
        each.join(timeout=120)
    assert [each.exitcode for each in processes] == [0] * 4
    bill("2026-03-02 00:10")
    assert notes() == [("INV-000001", "5.000")]
    assert InvoiceLine.objects.filter(kind="credit").count() == 1
