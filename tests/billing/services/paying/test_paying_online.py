"""An invoice that is paid on Stripe's page, and everything that can go wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from billing.gateway.base import Event
from billing.gateway.stripe_gateway import StripeGateway
from billing.models import (
    CreditEntry,
    Invoice,
    OnlineEvent,
    OnlinePage,
    OnlineReversal,
    Payment,
    Settlement,
)
from billing.services.invoicing import credit_notes, runs
from billing.services.paying import online_events, online_pages, online_reversals, settlements
from hosting.models import Instance, Plan, Server
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing import money
from tests.billing.gateway.stripe_server import Stripe, serve
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
NOW = at("2026-02-10")
LATER = NOW + timedelta(minutes=11)
SECRETS = ("whsec_new", "whsec_old")


@pytest.fixture
def stripe() -> Iterator[Stripe]:
    with serve() as server:
        yield server


@pytest.fixture
def gateway(stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> StripeGateway:
    monkeypatch.setattr("stripe._http_client.HTTPClient.INITIAL_DELAY", 0.0)
    return StripeGateway(key="sk_test_1", secrets=SECRETS, api_base=stripe.url)


@pytest.fixture
def invoice(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Invoice:
    """35.70 euros, open."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    return Invoice.objects.get()


def go(invoice: Invoice, gateway: StripeGateway) -> str:
    return online_pages.open_page(
        invoice=invoice,
        gateway=gateway,
        email="books@acme.example",
        paid_url="https://berth.example/paid",
        back_url="https://berth.example/back",
        actor=ACTOR,
        now=NOW,
    )


def tell(kind: str, about: str, *, payment: str = "", name: str = "") -> None:
    told = Event(id=name or f"evt_{kind}", kind=kind, object_id=about, payment=payment)
    online_events.keep(event=told, now=NOW)


def open_() -> Decimal:
    return Settlement.objects.get().open


def credit() -> Decimal:
    return CreditEntry.objects.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)


@pytest.fixture
def paid(invoice: Invoice, gateway: StripeGateway, stripe: Stripe) -> OnlinePage:
    """Paid, and booked."""
    go(invoice, gateway)
    stripe.pay()
    tell("checkout.session.completed", "cs_test_1")
    online_events.work_off(gateway=gateway, now=NOW)
    return OnlinePage.objects.get()


def test_a_page_asks_for_what_is_open_and_is_one(
    invoice: Invoice, gateway: StripeGateway, stripe: Stripe
) -> None:
    address = go(invoice, gateway)
    assert address == "https://checkout.stripe.com/c/pay/cs_test_1"
    assert go(invoice, gateway) == address
    ((_, _, form),) = stripe.asked
    assert form["line_items[0][price_data][unit_amount]"] == "3570"
    assert form["line_items[0][price_data][currency]"] == "eur"
    assert form["client_reference_id"] == str(OnlinePage.objects.get().pk)
    assert AuditEvent.objects.filter(action="invoice.online_page_opened").count() == 1


def test_a_payment_is_booked_once_however_often_it_is_told(
    paid: OnlinePage, gateway: StripeGateway
) -> None:
    tell("checkout.session.completed", "cs_test_1")
    tell("checkout.session.async_payment_succeeded", "cs_test_1")
    online_events.work_off(gateway=gateway, now=LATER)
    payment = Payment.objects.get()
    assert (payment.method, payment.reference, payment.amount) == (
        "stripe",
        "pi_1",
        Decimal("35.7"),
    )
    assert (paid.state, open_()) == ("paid", Decimal(0))
    assert not OnlineEvent.objects.filter(done_at=None).exists()


def test_a_payment_of_which_no_message_comes_is_found(
    invoice: Invoice, gateway: StripeGateway, stripe: Stripe
) -> None:
    go(invoice, gateway)
    stripe.pay()
    online_events.work_off(gateway=gateway, now=NOW)
    assert open_() == invoice.total
    online_events.work_off(gateway=gateway, now=LATER)
    assert open_() == 0


def test_a_payment_that_comes_late_is_waited_for_and_one_that_fails_is_none(
    invoice: Invoice, gateway: StripeGateway, stripe: Stripe
) -> None:
    go(invoice, gateway)
    stripe.sessions["cs_test_1"]["status"] = "complete"
    tell("checkout.session.completed", "cs_test_1")
    online_events.work_off(gateway=gateway, now=NOW)
    assert OnlinePage.objects.get().state == "open"
    tell("checkout.session.async_payment_failed", "cs_test_1")
    online_events.work_off(gateway=gateway, now=NOW)
    assert OnlinePage.objects.get().state == "closed"
    assert open_() == invoice.total


@pytest.mark.parametrize("more", [{"amount_total": 1}, {"currency": "usd"}])
def test_another_amount_or_currency_is_booked_nowhere(
    invoice: Invoice, gateway: StripeGateway, stripe: Stripe, more: dict[str, Any]
) -> None:
    go(invoice, gateway)
    stripe.pay(**more)
    tell("checkout.session.completed", "cs_test_1")
    online_events.work_off(gateway=gateway, now=NOW)
    page = OnlinePage.objects.get()
    assert (page.state, open_()) == ("wrong", invoice.total)
    assert "was paid on it" in page.problem


def test_what_was_paid_twice_is_credit(
    invoice: Invoice, gateway: StripeGateway, stripe: Stripe
) -> None:
    go(invoice, gateway)
    settlements.record_payment(
        invoice=invoice,
        amount=Decimal("30"),
        currency="EUR",
        received_on=date(2026, 2, 9),
        actor=ACTOR,
        now=NOW,
    )
    assert go(invoice, gateway).endswith("cs_test_2")
    stripe.pay("cs_test_1")
    stripe.pay("cs_test_2")
    online_events.work_off(gateway=gateway, now=LATER)
    assert (open_(), credit()) == (Decimal(0), Decimal("35.70"))
    with pytest.raises(Refused, match="is paid already"):
        go(invoice, gateway)


def test_while_stripe_is_away_nothing_is_lost(
    invoice: Invoice, gateway: StripeGateway, stripe: Stripe
) -> None:
    for status in (401, 409, 429, 503):
        stripe.is_away = status
        with pytest.raises(Refused, match="does not work at the moment"):
            go(invoice, gateway)
    stripe.is_away = 0
    assert go(invoice, gateway).endswith("cs_test_1")
    assert OnlinePage.objects.count() == 1
    stripe.pay()
    tell("checkout.session.completed", "cs_test_1")
    stripe.is_away = 503
    online_events.work_off(gateway=gateway, now=NOW)
    assert OnlineEvent.objects.get().problem == "The payment service does not answer."
    stripe.is_away = 0
    online_events.work_off(gateway=gateway, now=NOW)
    assert (open_(), OnlineEvent.objects.get().problem) == (Decimal(0), "")


def test_what_stripe_does_not_take_is_said(
    invoice: Invoice, gateway: StripeGateway, stripe: Stripe
) -> None:
    stripe.declines = "Amount too small"
    with pytest.raises(Refused, match="can't be paid online"):
        go(invoice, gateway)
    assert OnlinePage.objects.get().state == "closed"


def test_a_refund_is_asked_for_sent_and_booked_once(
    paid: OnlinePage, gateway: StripeGateway, stripe: Stripe
) -> None:
    online_reversals.ask(page=paid, amount=Decimal("10"), reason="Sorry", actor=ACTOR, now=NOW)
    stripe.is_away = 503
    online_events.work_off(gateway=gateway, now=NOW)
    assert open_() == 0
    stripe.is_away = 0
    online_events.work_off(gateway=gateway, now=NOW)
    tell("charge.refunded", "ch_1", payment="pi_1")
    online_events.work_off(gateway=gateway, now=NOW)
    row = OnlineReversal.objects.get()
    assert (row.state, row.reversal_id, row.reason) == ("gone", "re_1", "Sorry")
    assert (open_(), len(stripe.refunds)) == (Decimal(10), 1)
    with pytest.raises(Refused, match="No more than EUR 25") as caught:
        online_reversals.ask(page=paid, amount=Decimal("26"), reason="x", actor=ACTOR, now=NOW)
    assert caught.value.field == "amount"


def reversals() -> list[tuple[str, dict[str, Any]]]:
    """What the audit log says became of money that goes back."""
    rows = AuditEvent.objects.filter(action__startswith="online_payment.reversal")
    return [(each.action.rpartition("_")[2], each.after) for each in rows.order_by("pk")]


def test_a_refund_that_stripe_declines_is_kept_and_audited_with_its_reason(
    paid: OnlinePage, gateway: StripeGateway, stripe: Stripe
) -> None:
    online_reversals.ask(page=paid, amount=Decimal("10"), reason="Sorry", actor=ACTOR, now=NOW)
    stripe.declines = "Charge is too old to be refunded"
    online_events.work_off(gateway=gateway, now=NOW)
    row = OnlineReversal.objects.get()
    assert (row.state, open_()) == ("kept", Decimal(0))
    ((what, told),) = reversals()
    assert (what, told["amount"], told["problem"]) == ("kept", "10.000", row.problem)
    assert row.problem == "Charge is too old to be refunded"
    online_events.work_off(gateway=gateway, now=LATER)
    assert len(reversals()) == 1


def test_each_turn_of_a_refund_is_audited_once(
    paid: OnlinePage, gateway: StripeGateway, stripe: Stripe
) -> None:
    online_reversals.ask(page=paid, amount=Decimal("10"), reason="Sorry", actor=ACTOR, now=NOW)
    online_events.work_off(gateway=gateway, now=NOW)
    tell("charge.refunded", "ch_1", payment="pi_1")
    online_events.work_off(gateway=gateway, now=NOW)
    stripe.refunds["re_1"]["status"] = "failed"
    tell("refund.failed", "re_1", payment="pi_1")
    online_events.work_off(gateway=gateway, now=NOW)
    assert [what for what, _ in reversals()] == ["gone", "kept"]
    assert reversals()[0][1]["reference"] == "re_1"


def test_a_refund_whose_answer_was_lost_for_days_is_not_sent_again(
    paid: OnlinePage, gateway: StripeGateway, stripe: Stripe
) -> None:
    """Stripe forgets idempotency keys after a day; what was sent is found by its key then."""
    row = online_reversals.ask(
        page=paid, amount=Decimal("10"), reason="Sorry", actor=ACTOR, now=NOW
    )
    gateway.refund(key=str(row.pk), payment="pi_1", amount=row.amount, currency="EUR")
    stripe.by_key.clear()
    online_events.work_off(gateway=gateway, now=NOW + timedelta(days=2))
    assert len(stripe.refunds) == 1
    assert (OnlineReversal.objects.get().reversal_id, open_()) == ("re_1", Decimal(10))


def test_a_refund_that_was_never_sent_is_sent_however_late(
    paid: OnlinePage, gateway: StripeGateway, stripe: Stripe
) -> None:
    online_reversals.ask(page=paid, amount=Decimal("10"), reason="Sorry", actor=ACTOR, now=NOW)
    stripe.give_back("pi_1", 500)
    online_events.work_off(gateway=gateway, now=NOW + timedelta(days=2))
    assert {each.reversal_id for each in OnlineReversal.objects.all()} >= {"re_2"}
    assert len(stripe.refunds) == 2


def test_a_refund_of_what_was_credited_leaves_the_credit(
    paid: OnlinePage, gateway: StripeGateway, invoice: Invoice
) -> None:
    credit_notes.issue(invoice=invoice, reason="Down", actor=ACTOR, now=NOW)
    assert credit() == Decimal("35.70")
    online_reversals.ask(page=paid, amount=invoice.total, reason="Down", actor=ACTOR, now=NOW)
    online_events.work_off(gateway=gateway, now=NOW)
    assert (credit(), open_()) == (Decimal(0), Decimal(0))


def test_a_refund_in_stripes_dashboard_that_fails_later_is_taken_back(
    paid: OnlinePage, gateway: StripeGateway, stripe: Stripe
) -> None:
    stripe.give_back("pi_1", 3570)
    tell("charge.refunded", "ch_1", payment="pi_1")
    online_events.work_off(gateway=gateway, now=NOW)
    assert open_() == Decimal("35.70")
    stripe.refunds["re_1"]["status"] = "failed"
    tell("refund.failed", "re_1", payment="pi_1")
    online_events.work_off(gateway=gateway, now=NOW)
    assert (open_(), OnlineReversal.objects.get().state) == (Decimal(0), "kept")


def test_a_dispute_opens_the_invoice_until_it_is_won(
    paid: OnlinePage, gateway: StripeGateway, stripe: Stripe
) -> None:
    stripe.dispute("pi_1", 3570)
    tell("charge.dispute.created", "dp_1", payment="pi_1")
    online_events.work_off(gateway=gateway, now=NOW)
    assert open_() == 0
    stripe.dispute("pi_1", 3570, -3570)
    tell("charge.dispute.funds_withdrawn", "dp_1", payment="pi_1")
    online_events.work_off(gateway=gateway, now=NOW)
    assert open_() == Decimal("35.70")
    stripe.dispute("pi_1", 3570, -3570, 3570)
    tell("charge.dispute.funds_reinstated", "dp_1", payment="pi_1")
    online_events.work_off(gateway=gateway, now=NOW)
    assert open_() == 0


def test_a_refund_that_is_told_before_its_payment_waits_for_it(
    invoice: Invoice, gateway: StripeGateway, stripe: Stripe
) -> None:
    go(invoice, gateway)
    stripe.pay()
    stripe.give_back("pi_1", 1000)
    tell("charge.refunded", "ch_1", payment="pi_1", name="evt_0")
    online_events.work_off(gateway=gateway, now=NOW)
    assert OnlineEvent.objects.get().done_at is None
    tell("checkout.session.completed", "cs_test_1")
    online_events.work_off(gateway=gateway, now=NOW)
    online_events.work_off(gateway=gateway, now=NOW)
    assert open_() == Decimal("10.00")
    assert not OnlineEvent.objects.filter(done_at=None).exists()


def test_messages_about_something_else_are_let_go(gateway: StripeGateway) -> None:
    tell("customer.created", "cus_1")
    tell("charge.refunded", "ch_9", payment="pi_9")
    online_events.work_off(gateway=gateway, now=NOW)
    assert [each.kind for each in OnlineEvent.objects.filter(done_at=None)] == ["charge.refunded"]
    online_events.work_off(gateway=gateway, now=NOW + timedelta(days=2))
    assert not OnlineEvent.objects.filter(done_at=None).exists()
