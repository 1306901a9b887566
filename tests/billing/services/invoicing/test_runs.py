from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from billing.models import (
    BillingPeriod,
    BillingRun,
    Invoice,
    InvoiceLine,
    NumberSeries,
    Settlement,
    Subscription,
)
from billing.services import discounts, profiles, subscriptions
from billing.services.invoicing import runs
from billing.services.paying import settlements
from hosting.models import Instance, Plan, Server
from tenants.models import AuditEvent, Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db

Order = Callable[..., Instance]


@pytest.fixture
def book(order: Order, memory_server: Server, acme: Client, small: Plan) -> Instance:
    """Acme's instance, at 30 euros a month, that first ran in the middle of January."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    return money.run_since(order(), "2026-01-16 12:00")


def bill(moment: str) -> BillingRun | None:
    return runs.bill_due(now=at(moment))


def issued() -> list[Invoice]:
    return list(Invoice.objects.filter(state="issued").order_by("series", "sequence"))


def only() -> Invoice:
    (invoice,) = issued()
    return invoice


def test_nothing_is_due_before_the_period_is_over(book: Instance) -> None:
    assert bill("2026-01-31 22:59") is None
    assert Subscription.objects.get().next_billing_at == at("2026-01-31 23:00")  # in Berlin
    assert not Invoice.objects.exists()


def test_a_part_of_a_month_is_charged_by_the_day(book: Instance) -> None:
    run = bill("2026-01-31 23:00")
    invoice = only()
    assert (run and run.drafted, run and run.issued, run and run.refused) == (1, 1, 0)
    assert money.lines(invoice) == [("recurring", "16", "15.48")]  # 16 of 31 days
    assert (invoice.net, invoice.vat, invoice.total) == (
        Decimal("15.48"), Decimal("2.94"), Decimal("18.42")
    )  # fmt: skip
    assert invoice.number == "INV-000001"
    assert (invoice.first_day, invoice.last_day) == (date(2026, 1, 16), date(2026, 1, 31))
    assert (invoice.issued_on, invoice.due_on) == (date(2026, 2, 1), date(2026, 2, 15))
    assert invoice.seller["name"] == "Berth Hosting GmbH"
    assert invoice.buyer["name"] == "Acme GmbH"
    assert invoice.tax["totals"][0]["rule"] == "domestic"
    assert Settlement.objects.get(invoice=invoice).open == Decimal("18.42")
    assert AuditEvent.objects.filter(action="invoices.issued").count() == 1


def test_a_period_is_billed_once(book: Instance) -> None:
    bill("2026-02-01")
    assert bill("2026-02-01") is None
    assert bill("2026-02-27") is None
    only()


def test_missed_periods_are_made_up_for_oldest_first(book: Instance) -> None:
    bill("2026-04-15")
    assert [(each.number, str(each.last_day)) for each in issued()] == [
        ("INV-000001", "2026-01-31"),
        ("INV-000002", "2026-02-28"),
        ("INV-000003", "2026-03-31"),
    ]
    assert [each.net for each in issued()] == [
        Decimal("15.48"), Decimal("30.00"), Decimal("30.00")
    ]  # fmt: skip
    assert Subscription.objects.get().next_billing_at == at("2026-04-30 22:00")
    ends = BillingPeriod.objects.values_list("starts_at", "ends_at").order_by("starts_at")
    assert all(one[1] == other[0] for one, other in pairwise(ends))


def test_periods_of_a_client_that_end_together_are_one_invoice(
    book: Instance, order: Order
) -> None:
    money.run_since(order("other"), "2026-01-01 08:00")
    bill("2026-02-01")
    assert [line[2] for line in money.lines(only())] == ["30.00", "15.48"]


def test_a_deleted_instance_is_charged_to_its_last_day(book: Instance) -> None:
    money.end(book, "2026-01-20 10:00")
    bill("2026-01-20 12:00")
    assert not issued()  # the day is not over
    bill("2026-01-21")
    assert money.lines(only()) == [("recurring", "5", "4.84")]
    subscription = Subscription.objects.get()
    assert (subscription.end_day, subscription.next_billing_at) == (date(2026, 1, 21), None)
    assert bill("2026-06-01") is None


def test_an_instance_of_one_day_is_a_day(book: Instance) -> None:
    money.end(book, "2026-01-16 13:00")
    bill("2026-02-01")
    assert money.lines(only()) == [("recurring", "1", "0.97")]


def test_what_ended_before_billing_began_is_not_charged(book: Instance) -> None:
    Instance.objects.update(first_running_at=at("2025-11-01"), delete_requested_at=at("2025-12-24"))
    assert bill("2026-03-01") is None
    assert not Subscription.objects.exists()


def test_what_runs_since_long_is_charged_from_the_first_day_of_billing(book: Instance) -> None:
    money.run_since(book, "2025-06-01")
    bill("2026-02-01")
    assert money.lines(only()) == [("recurring", "1", "30.00")]


def test_a_change_of_plan_is_prorated_both_ways(
    book: Instance, make_plan: Callable[[str], Plan], small: Plan
) -> None:
    large = make_plan("large")
    money.set_price(large, "90.00")
    bill("2026-02-01")
    Instance.objects.update(plan=large)
    bill("2026-02-11 09:00")
    Instance.objects.update(plan=small)
    bill("2026-02-21 09:00")
    bill("2026-03-01")
    # Of 28 days 18 small and 10 large: each price's days are one line, rounded once.
    february = issued()[1].lines.all()
    assert [(each.name, each.quantity, each.net) for each in february] == [
        ("Small", Decimal(18), Decimal("19.290")),
        ("Large", Decimal(10), Decimal("32.140")),
    ]


def test_two_changes_on_a_day_leave_the_last(
    book: Instance, make_plan: Callable[[str], Plan]
) -> None:
    for name in ("large", "huge"):
        plan = make_plan(name)
        money.set_price(plan, "60.00")
        Instance.objects.update(plan=plan)
        subscriptions.follow(now=at("2026-01-16 15:00"))
    bill("2026-02-01")
    assert [each.name for each in only().lines.all()] == ["Huge"]


def test_a_new_price_never_changes_a_period_that_runs(book: Instance, small: Plan) -> None:
    bill("2026-01-20")
    later = date(2026, 2, 15)
    money.set_price(small, "50.00", valid_from=later, now=at("2026-01-20"))
    bill("2026-04-02")
    assert [each.net for each in issued()] == [
        Decimal("15.48"), Decimal("30.00"), Decimal("50.00")
    ]  # fmt: skip


@pytest.mark.parametrize(("charges", "net"), [(False, "15.00"), (True, "30.00")])
def test_suspended_days_cost_nothing_unless_the_seller_wants_it(
    book: Instance, charges: bool, net: str
) -> None:
    money.set_seller(charges_suspended=charges)
    bill("2026-04-01")
    for moment, since, why in (
        ("2026-04-10 18:00", at("2026-04-10 12:00"), "Not paid."),
        ("2026-04-26 12:00", None, ""),
    ):
        Instance.objects.filter(pk=book.pk).update(suspended_at=since, suspended_for=why)
        for _ in range(2):
            subscriptions.follow(now=at(moment))
    bill("2026-05-01")
    assert issued()[-1].net == Decimal(net)  # the 11th to the 25th of 30 days


def test_a_trial_costs_nothing_and_then_comes_the_setup(
    order: Order, memory_server: Server, acme: Client, small: Plan
) -> None:
    money.set_seller()
    money.set_details(acme)
    money.set_price(small, "31.00", trial_days=14, setup_fee=Decimal("99.00"))
    money.run_since(order(), "2026-01-10")
    bill("2026-03-01")
    first, second = issued()
    assert money.lines(first) == [("setup", "1", "99.00"), ("recurring", "8", "8.00")]
    assert money.lines(second) == [("recurring", "1", "31.00")]


def test_a_trial_that_is_ended_costs_nothing(
    order: Order, memory_server: Server, acme: Client, small: Plan
) -> None:
    money.set_seller()
    money.set_details(acme)
    money.set_price(small, trial_days=14, setup_fee=Decimal(99))
    money.end(money.run_since(order(), "2026-01-10"), "2026-01-20")
    bill("2026-03-01")
    assert not Invoice.objects.exists()
    assert BillingPeriod.objects.get().invoice is None
    assert not NumberSeries.objects.exists()


def test_coupons_take_off_for_as_many_periods_as_they_say(book: Instance) -> None:
    discounts.create_coupon(actor=ACTOR, fields=_coupon("SPRING", "percent", "50", periods=2))
    subscriptions.follow(now=at("2026-01-20"))
    discounts.redeem(
        subscription=Subscription.objects.get(), code="spring", actor=ACTOR, on=date(2026, 1, 20)
    )
    bill("2026-04-02")
    assert [each.net for each in issued()] == [
        Decimal("7.74"), Decimal("15.00"), Decimal("30.00")
    ]  # fmt: skip


def test_discounts_take_off_no_more_than_there_is(book: Instance) -> None:
    discounts.create_coupon(
        actor=ACTOR, fields=_coupon("LOTS", "amount", "20", currency="EUR", periods=1)
    )
    subscriptions.follow(now=at("2026-01-20"))
    subscription = Subscription.objects.get()
    discounts.redeem(subscription=subscription, code="LOTS", actor=ACTOR, on=date(2026, 1, 20))
    bill("2026-02-02")
    invoice = only()
    assert money.lines(invoice) == [("recurring", "16", "15.48"), ("discount", "-1", "-15.48")]
    assert (invoice.total, invoice.settlement.state) == (Decimal(0), "paid")


def _coupon(code: str, kind: str, value: str, **more: Any) -> discounts.CouponFields:
    fields = {"currency": "", "periods": None, "valid_until": None, **more}
    return {"code": code, "kind": kind, "value": Decimal(value), **fields}  # type: ignore[typeddict-item]


def test_credit_pays_the_next_invoices(book: Instance, acme: Client) -> None:
    settlements.grant_credit(
        client=acme, amount=Decimal("40.00"), reason="Sorry", actor=ACTOR, now=at("2026-01-20")
    )
    bill("2026-03-02")
    first, second = issued()
    assert (first.total, first.settlement.paid, first.settlement.state) == (
        Decimal("18.42"), Decimal("18.42"), "paid"
    )  # fmt: skip
    assert second.settlement.paid == Decimal("21.58")
    assert second.settlement.open == Decimal("35.70") - Decimal("21.58")


def test_a_draft_waits_for_its_grace(book: Instance) -> None:
    money.set_seller(grace_hours=24)
    bill("2026-02-01")
    draft = Invoice.objects.get()
    assert (draft.state, draft.number, draft.net) == ("draft", "", Decimal("15.48"))
    bill("2026-02-01 23:59")
    assert Invoice.objects.get().state == "draft"
    bill("2026-02-02")
    assert only().pk == draft.pk


def test_a_client_without_billing_details_is_charged_when_they_come(
    order: Order, memory_server: Server, acme: Client, small: Plan
) -> None:
    money.set_seller()
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    assert bill("2026-03-01") is None
    money.set_details(acme)
    bill("2026-03-01 01:00")
    assert [each.net for each in issued()] == [Decimal("30.00"), Decimal("30.00")]


def test_a_plan_without_a_price_keeps_only_its_own_client_waiting(
    book: Instance, order: Order, make_plan: Callable[[str], Plan], other_client: Client
) -> None:
    money.set_details(other_client)
    free = make_plan("free")
    money.run_since(order("theirs", client=other_client, plan=free.slug), "2026-01-01")
    run = bill("2026-02-01")
    assert run is not None
    assert (run.issued, run.refused) == (1, 1)
    problem = Subscription.objects.get(client=other_client).problem
    assert problem == "The plan Free has no price in EUR a month on 2026-01-01."
    money.set_price(free, "5.00")
    bill("2026-02-01 01:00")
    assert [each.net for each in issued()] == [Decimal("15.48"), Decimal("5.00")]
    assert Subscription.objects.get(client=other_client).problem == ""


def test_an_invoice_waits_for_its_vat_number_and_says_so(book: Instance, acme: Client) -> None:
    profile = money.set_details(acme, country="AT", vat_number="ATU13585627")
    run = bill("2026-02-01")
    assert run is not None
    assert (run.drafted, run.issued, run.refused) == (1, 0, 1)
    assert Invoice.objects.get().problem == "The client's VAT number has not been confirmed yet."
    profiles.record_answer(
        profile=profile,
        number="ATU13585627",
        is_valid=True,
        evidence={"name": "Acme"},
        actor=ACTOR,
        now=at("2026-02-01 10:00"),
    )
    bill("2026-02-01 11:00")
    invoice = only()
    assert (invoice.net, invoice.vat, invoice.problem) == (Decimal("15.48"), Decimal(0), "")
    assert invoice.tax["totals"][0]["category"] == "AE"
    assert invoice.tax["evidence"]["answer"] == {"name": "Acme"}
    assert {line.category for line in InvoiceLine.objects.all()} == {"AE"}


def test_anniversaries_are_clamped_to_the_months_end(
    order: Order, memory_server: Server, acme: Client, small: Plan
) -> None:
    money.set_seller()
    money.set_details(acme, anchor="anniversary")
    money.set_price(small)
    money.run_since(order(), "2026-01-31 12:00")
    bill("2026-05-01")
    days = [(str(each.first_day), str(each.last_day)) for each in issued()]
    assert days == [
        ("2026-01-31", "2026-02-27"), ("2026-02-28", "2026-03-30"), ("2026-03-31", "2026-04-29")
    ]  # fmt: skip
    assert {each.net for each in issued()} == {Decimal("30.00")}


def test_yen_have_no_decimals(
    order: Order, memory_server: Server, acme: Client, small: Plan
) -> None:
    money.set_seller()
    money.set_details(acme, currency="JPY", country="JP")
    money.set_price(small, "1000", currency="JPY")
    money.run_since(order(), "2026-01-16")
    bill("2026-02-01")
    assert (only().net, only().vat) == (Decimal(516), Decimal(0))
