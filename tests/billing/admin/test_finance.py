from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from html import unescape

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse

from billing.models import (
    BillingProfile,
    Coupon,
    CreditEntry,
    Discount,
    Invoice,
    Payment,
    Price,
    Seller,
    Subscription,
)
from billing.services.invoicing import runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client, User
from tests.billing import money
from tests.billing.money import at

pytestmark = pytest.mark.django_db
RECEIVED = {"received_on": "2026-02-01", "reference": ""}
ADDRESS = {
    "name": "Acme GmbH",
    "street": "Lindenallee 2",
    "more": "",
    "postcode": "10115",
    "city": "Berlin",
    "country": "DE",
    "vat_number": "",
    "email": "",
}


@pytest.fixture
def finance(db: None) -> Browser:
    user = User.objects.create_user(
        "finance@berth.example", "correct horse battery", name="Bob", is_staff=True
    )
    user.groups.add(Group.objects.get(name="finance"))
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture
def invoice(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Invoice:
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    return Invoice.objects.get()


def add(browser: Browser, page: str, **data: object) -> str:
    """Send the form; what the page says where it was not taken."""
    answer = browser.post(reverse(f"admin:billing_{page}_add"), data)
    return "" if answer.status_code == 302 else answer.content.decode()


def test_finance_sets_up_what_billing_needs(
    finance: Browser,
    acme: Client,
    small: Plan,
    order: Callable[..., Instance],
    memory_server: Server,
) -> None:
    seller = {
        **ADDRESS,
        **dict.fromkeys(("tax_number", "registration", "contact", "phone", "bic"), ""),
        "iban": "DE02120300000000202051",
        "bills_from": "2026-01-01",
        "payment_days": 14,
        "grace_hours": 0,
        "invoice_series": "INV",
        "credit_series": "CN",
        "timezone": "Europe/Berlin",
    }
    assert not add(finance, "seller", **seller)
    terms = {"currency": "EUR", "interval": "month", "anchor": "calendar", "reference": ""}
    assert not add(finance, "billingprofile", client=acme.pk, **ADDRESS, **terms)
    price = {
        "plan": small.pk,
        "currency": "EUR",
        "interval": "month",
        "valid_from": "2026-01-01",
        "amount": "30.00",
        "setup_fee": "0",
        "trial_days": "0",
        "charges-0-meter": "executions",
        "charges-0-tiers": "0.10",
    }
    assert not add(finance, "price", **price)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    assert Invoice.objects.get().net == 30
    coupon = {"code": "HALF", "kind": "percent", "value": "50", "currency": "", "periods": "1"}
    assert not add(finance, "coupon", **coupon, valid_until="")
    subscription = Subscription.objects.get()
    chosen = {"subscription": subscription.pk, "coupon": Coupon.objects.get().pk}
    assert not add(finance, "discount", **chosen)
    assert Discount.objects.get().periods_left == 1
    assert "It has that coupon already." in add(finance, "discount", **chosen)
    assert (Seller.objects.count(), BillingProfile.objects.count()) == (1, 1)
    price["valid_from"] = "2026-01-02"
    assert "choose a day after tomorrow" in add(finance, "price", **price)
    assert Price.objects.count() == 1


def test_finance_records_payments_credit_and_credit_notes(
    finance: Browser, invoice: Invoice
) -> None:
    payment = {
        "invoice": invoice.pk,
        "amount": "35.71",
        "currency": "EUR",
        "received_on": "2026-02-10",
        "reference": "B-1",
    }
    assert "No more than EUR 35.70 is open." in add(finance, "payment", **payment)
    assert not Payment.objects.exists()
    assert not add(finance, "payment", **{**payment, "amount": "20.00"})
    assert not add(finance, "creditentry", client=invoice.client_id, amount="5", reason="Sorry")
    assert CreditEntry.objects.get().amount == 5
    note = {"corrects": invoice.pk, "amount": "31", "reason": "Down"}
    assert "No more than EUR 30.00" in add(finance, "invoice", **note)
    missing = add(finance, "invoice", **{**note, "corrects": ""})
    assert "Choose the invoice that is credited." in missing
    assert not add(finance, "invoice", **{**note, "amount": ""})
    assert Invoice.objects.get(kind="credit_note").total == Decimal("35.70")


@pytest.mark.parametrize("standing", ["", "draft", "open", "overdue", "paid", "void"])
def test_the_list_says_how_they_stand_with_totals(
    finance: Browser, invoice: Invoice, standing: str
) -> None:
    page = finance.get(reverse("admin:billing_invoice_changelist"), {"standing": standing})
    text = page.content.decode()
    shown = standing in ("", "open", "overdue")
    assert (invoice.number in text) == shown
    assert ("EUR 35.70" in text) == shown


@pytest.mark.parametrize(
    ("term", "found"),
    [
        *[("INV-000001", True), ("inv-1", True), ("1", True), ("acme", True)],
        *[("INV-000002", False), ("CN-000001", False), ("acme-1", False), ("9" * 30, False)],
    ],
)
def test_an_invoice_is_found_by_its_number(
    finance: Browser, invoice: Invoice, term: str, found: bool
) -> None:
    page = finance.get(reverse("admin:billing_invoice_changelist"), {"q": term})
    assert ("INV-000001</a>" in page.content.decode()) == found


def test_prices_and_coupons_read_as_people_say_them(finance: Browser, small: Plan) -> None:
    charge = {"meter": "executions", "model": "graduated", "included": 100, "per": 10}
    charge["tiers"] = [[1000, "0.20"], [None, "0.0125"]]
    price = money.set_price(small, "29", setup_fee=Decimal("5"), charges=[charge])
    page = finance.get(reverse("admin:billing_price_changelist")).content.decode()
    assert "EUR 29.00" in page
    assert "EUR 5.00" in page
    page = finance.get(reverse("admin:billing_price_change", args=[price.pk])).content.decode()
    assert "executions: 100 executions a month are included. Each of the executions above" in page
    assert "1 to 1,000: EUR 0.20 per 10" in page
    assert "from 1,001 on: EUR 0.0125 per 10" in page
    coupons = reverse("admin:billing_coupon_changelist")
    assert "Nothing here yet" in finance.get(coupons).content.decode()
    half = {"code": "HALF", "kind": "percent", "value": "50", "currency": "", "periods": "1"}
    five = {**half, "code": "FIVE", "kind": "amount", "value": "5", "currency": "EUR"}
    assert not add(finance, "coupon", **half, valid_until="")
    assert not add(finance, "coupon", **{**five, "periods": ""}, valid_until="")
    page = finance.get(coupons).content.decode()
    for words in ("50 %", "1 period<", "EUR 5.00", "All periods"):
        assert words in page
    assert "Nothing fits" in finance.get(coupons, {"q": "none"}).content.decode()


def test_its_page_says_what_came_of_it_and_what_to_do_next(
    finance: Browser, invoice: Invoice
) -> None:
    address = reverse("admin:billing_invoice_change", args=[invoice.pk])
    text = finance.get(address).content.decode()
    for words in ("Nothing came in yet.", "Nothing was to be done.", "Record a payment"):
        assert words in text
    assert "Why it is not issued yet" not in text
    assert "1 Jan 2026 to 31 Jan 2026" in text
    ways = re.findall(r'class="b-link" href="([^"]+/add/\?[^"]+)"', text)
    pay, credit = (finance.get(unescape(way)).content.decode() for way in ways)
    assert 'value="35.70"' in pay
    assert f'<option value="{invoice.pk}" selected' in pay
    assert f'<option value="{invoice.pk}" selected' in credit
    add(finance, "payment", invoice=invoice.pk, amount="5.70", currency="EUR", **RECEIVED)
    add(finance, "invoice", corrects=invoice.pk, amount="", reason="Down for two days")
    text = finance.get(address).content.decode()
    assert "1 Feb 2026: EUR 5.70, recorded by hand" in text
    assert "CN-000001</a>: EUR 35.70, Down for two days" in text
    assert "Record a payment" not in text
    assert "Credit it" not in text


def test_payments_have_totals_of_money_and_of_credit(finance: Browser, invoice: Invoice) -> None:
    add(finance, "payment", invoice=invoice.pk, amount="15.70", currency="EUR", **RECEIVED)
    Payment.objects.create(
        invoice=invoice,
        method="credit",
        amount=Decimal(5),
        currency="EUR",
        received_on=at("2026-02-02").date(),
        recorded_at=at("2026-02-02"),
    )
    address = reverse("admin:billing_payment_changelist")
    page = finance.get(address).content.decode()
    assert "EUR 15.70</b> came in" in page
    assert "EUR 5.00</b> from clients' credit" in page
    page = finance.get(address, {"method__exact": "manual"}).content.decode()
    assert "1 in this list" in page
    assert "from clients' credit" not in page


def test_the_totals_say_what_is_open(finance: Browser, invoice: Invoice) -> None:
    add(finance, "payment", invoice=invoice.pk, amount="5.70", currency="EUR", **RECEIVED)
    page = finance.get(reverse("admin:billing_invoice_changelist")).content.decode()
    assert re.search(r"EUR 30\.00</b> of it open", page)


def test_an_invoice_can_only_be_looked_at(finance: Browser, invoice: Invoice) -> None:
    address = reverse("admin:billing_invoice_change", args=[invoice.pk])
    text = finance.get(address).content.decode()
    assert "INV-000001" in text
    assert "domestic, 19" in text
    assert 'name="_save"' not in text
    assert finance.post(address, {"total": "1"}).status_code == 403


@pytest.mark.parametrize(
    "page",
    [
        *("price", "coupon", "discount", "seller", "billingprofile", "subscription"),
        *("billingrun", "payment", "creditentry"),
    ],
)
def test_every_list_and_object_has_its_page(finance: Browser, invoice: Invoice, page: str) -> None:
    assert finance.get(reverse(f"admin:billing_{page}_changelist")).status_code == 200
    model = {each._meta.model_name: each for each in (Price, Seller, BillingProfile, Subscription)}
    if page in model:
        obj = model[page]._default_manager.get()
        address = reverse(f"admin:billing_{page}_change", args=[obj.pk])
        assert finance.get(address).status_code == 200


def test_the_next_run_can_be_seen_before(
    finance: Browser,
    invoice: Invoice,
    order: Callable[..., Instance],
    make_plan: Callable[..., Plan],
) -> None:
    money.run_since(order("half"), "2026-02-15")
    money.run_since(order("free", plan=make_plan("free").slug), "2026-02-01")
    runs.bill_due(now=at("2026-02-20"))
    before = Subscription.objects.values_list("pk", "unbilled_from", "problem")
    known = list(before)
    text = finance.get(reverse("admin:billing_billingrun_preview")).content.decode()
    assert "EUR 45.00" in text  # 30 and half of it
    assert "The plan Free has no price in EUR a month on 2026-02-01." in text
    assert list(before.all()) == known
    assert Invoice.objects.count() == 1


def test_the_list_asks_as_often_for_many(
    finance: Browser, invoice: Invoice, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    runs.bill_due(now=at("2026-09-01"))
    assert Invoice.objects.count() == 8
    with django_assert_max_num_queries(12):  # type: ignore[attr-defined]
        finance.get(reverse("admin:billing_invoice_changelist"))
