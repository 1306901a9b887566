from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from billing.models import DowntimeCredit, Invoice, Subscription
from billing.services import discounts
from billing.services.invoicing import credit_notes, explaining_downtime, previews, runs
from hosting.models import Instance, Plan, Server
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
TIERS = [[99.9, 10], [99.0, 25]]


@pytest.fixture
def book(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Instance:
    """Acme's instance since January, at 30 euros a month."""
    Plan.objects.filter(pk=small.pk).update(sla_tiers=TIERS)
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    return money.run_since(order(), "2026-01-01")


def bill(moment: str) -> None:
    runs.bill_due(now=at(moment))


def newest() -> Invoice:
    return Invoice.objects.filter(kind="invoice", state="issued").order_by("-sequence")[0]


def test_a_month_with_downtime_is_credited_on_the_next_invoice(book: Instance) -> None:
    money.be_down(book, "2026-01-10")
    bill("2026-02-01")
    invoice = newest()
    assert money.lines(invoice) == [("recurring", "1", "30.00"), ("downtime", "-1", "-7.50")]
    assert (invoice.net, invoice.vat) == (Decimal("22.50"), Decimal("4.28"))
    line = invoice.lines.get(kind="downtime")
    assert line.name == "Credit for downtime of book in January 2026"
    assert line.description == "50.000 % available: 25 % of 30.00"
    credit = DowntimeCredit.objects.get()
    assert (credit.month, credit.invoice, credit.amount) == (
        date(2026, 1, 1), invoice, Decimal("7.50")
    )  # fmt: skip
    event = AuditEvent.objects.get(action="downtime.credited")
    assert event.after["amount"] == "EUR 7.50"


def test_it_is_credited_once(book: Instance) -> None:
    money.be_down(book, "2026-01-10")
    for moment in ("2026-02-01", "2026-02-02", "2026-03-01", "2026-04-01"):
        bill(moment)
    assert DowntimeCredit.objects.count() == 1
    assert [each.net for each in Invoice.objects.order_by("sequence")] == [
        Decimal("22.50"), Decimal(30), Decimal(30)
    ]  # fmt: skip


def test_the_database_lets_it_be_once_and_for_ever(book: Instance) -> None:
    money.be_down(book, "2026-01-10")
    bill("2026-02-01")
    credit = DowntimeCredit.objects.get()
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        DowntimeCredit.objects.update(amount=1)
    credit.pk = None
    with pytest.raises(IntegrityError, match="one_credit_a_month"), transaction.atomic():
        credit.save(force_insert=True)


def test_what_is_known_later_comes_with_the_invoice_after(book: Instance) -> None:
    bill("2026-02-01")
    money.be_down(book, "2026-01-10")
    money.be_down(book, "2026-02-03", seconds=300)
    bill("2026-03-01")
    lines = [each for each in money.lines(newest()) if each[0] == "downtime"]
    assert lines == [("downtime", "-1", "-7.50"), ("downtime", "-1", "-3.00")]


def test_a_month_that_was_good_enough_is_not_credited(book: Instance) -> None:
    money.be_down(book, "2026-01-10", seconds=60)  # 99.93 %
    bill("2026-02-01")
    assert money.lines(newest()) == [("recurring", "1", "30.00")]
    assert not DowntimeCredit.objects.exists()


def test_it_is_a_share_of_what_is_left_after_discounts(book: Instance) -> None:
    bill("2026-01-02")
    discounts.create_coupon(
        actor=ACTOR,
        fields={
            "code": "HALF",
            "kind": "percent",
            "value": Decimal(50),
            "currency": "",
            "periods": None,
            "valid_until": None,
        },
    )
    subscription = Subscription.objects.get()
    discounts.redeem(subscription=subscription, code="HALF", actor=ACTOR, on=date(2026, 1, 2))
    money.be_down(book, "2026-01-10")
    bill("2026-02-01")
    assert money.lines(newest())[2] == ("downtime", "-1", "-3.75")


def test_of_what_was_credited_nothing_is_given_back_again(book: Instance) -> None:
    bill("2026-02-01")
    credit_notes.issue(invoice=newest(), reason="x", actor=ACTOR, now=at("2026-02-02"))
    money.be_down(book, "2026-01-10")
    bill("2026-03-01")
    assert money.lines(newest()) == [("recurring", "1", "30.00")]


def test_it_waits_where_the_invoice_is_smaller(book: Instance) -> None:
    bill("2026-02-01")
    money.be_down(book, "2026-01-10")
    money.end(book, "2026-02-02 10:00")
    bill("2026-02-03")
    assert money.lines(newest()) == [("recurring", "2", "2.14")]
    assert not DowntimeCredit.objects.exists()


def test_the_last_month_of_one_that_ended_is_over_with_it(book: Instance) -> None:
    """No invoice comes after the month for a client that has nothing else."""
    money.be_down(book, "2026-01-10")
    money.end(book, "2026-01-15 10:00")
    for moment in ("2026-01-16", "2026-02-01", "2026-03-01"):
        bill(moment)
    (invoice,) = Invoice.objects.all()
    assert money.lines(invoice) == [("recurring", "15", "14.52"), ("downtime", "-1", "-3.63")]
    assert explaining_downtime.explain(invoice.lines.get(kind="downtime")).fits


def test_a_month_that_goes_on_for_another_instance_waits(
    book: Instance, order: Callable[..., Instance]
) -> None:
    other = money.run_since(order("other"), "2026-01-01")
    money.be_down(book, "2026-01-10")
    money.end(other, "2026-01-15 10:00")
    bill("2026-01-16")
    assert money.lines(newest()) == [("recurring", "15", "14.52")]
    bill("2026-02-01")
    assert money.lines(newest()) == [("recurring", "1", "30.00"), ("downtime", "-1", "-7.50")]


def test_a_month_of_a_longer_period_is_its_share_of_days(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> None:
    Plan.objects.filter(pk=small.pk).update(sla_tiers=TIERS)
    money.set_seller()
    money.set_details(acme, interval="quarter")
    money.set_price(small, "90.00", interval="quarter")
    book = money.run_since(order(), "2026-01-01")
    money.be_down(book, "2026-02-10")
    bill("2026-03-02")
    assert not Invoice.objects.exists()  # February is over, and not charged yet
    bill("2026-04-01")
    # 28 of 90 days of 90.00, a quarter of that.
    assert money.lines(newest()) == [("recurring", "1", "90.00"), ("downtime", "-1", "-7.00")]


def test_a_year_is_looked_at_as_a_whole(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> None:
    Plan.objects.filter(pk=small.pk).update(sla_tiers=TIERS)
    money.set_seller()
    money.set_details(acme, interval="year")
    money.set_price(small, "365.00", interval="year")
    money.be_down(money.run_since(order(), "2026-01-01"), "2026-01-10")
    bill("2027-01-01")
    assert money.lines(newest()) == [("recurring", "1", "365.00"), ("downtime", "-1", "-7.75")]


def test_what_is_on_a_draft_that_waits_is_not_charged_yet(
    book: Instance, order: Callable[..., Instance]
) -> None:
    bill("2026-02-01")
    money.be_down(book, "2026-02-10")
    money.set_seller(grace_hours=240)
    bill("2026-03-01")  # a draft of February, that waits
    money.set_seller()
    other = money.run_since(order("other"), "2026-03-01")
    money.end(other, "2026-03-03")
    bill("2026-03-05")
    assert money.lines(newest()) == [("recurring", "3", "2.90")]
    bill("2026-03-12")
    line = newest().lines.get(kind="downtime")
    assert line.net == Decimal("-7.50")
    assert line.period is not None
    assert line.period.subscription == line.subscription


def test_an_instance_of_the_same_client_is_not_credited(
    book: Instance, order: Callable[..., Instance]
) -> None:
    money.run_since(order("other"), "2026-01-01")
    money.be_down(book, "2026-01-10")
    bill("2026-02-01")
    (line,) = newest().lines.filter(kind="downtime")
    assert line.subscription is not None
    assert line.subscription.instance_id == book.pk
    assert line.net == Decimal("-7.50")


def test_the_next_run_says_it_before(book: Instance) -> None:
    bill("2026-01-02")
    money.be_down(book, "2026-01-10")
    (row,) = previews.next_run().rows
    assert (row.net, row.downtime) == (Decimal("22.50"), Decimal("7.50"))
    (own,) = previews.of_client(book.client)
    assert own.net == Decimal("22.50")


def test_it_can_be_explained(book: Instance) -> None:
    money.be_down(book, "2026-01-10")
    bill("2026-02-01")
    line = newest().lines.get(kind="downtime")
    given = explaining_downtime.explain(line)
    assert given.fits
    assert (given.percent, given.charged, given.again) == (
        Decimal(25), Decimal("30.00"), Decimal("7.50")
    )  # fmt: skip
    assert (given.down_seconds, given.now.down_seconds) == (43_200, 43_200)
    with pytest.raises(Refused, match="Only a credit for downtime"):
        explaining_downtime.explain(newest().lines.get(kind="recurring"))
