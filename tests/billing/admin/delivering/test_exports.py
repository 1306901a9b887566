"""Exports and the seller's bookkeeping in the admin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse

from billing.models import Bookkeeping, DebtorAccount, Invoice, InvoiceExport, VatAccount
from billing.services.delivering import exports
from billing.services.invoicing import runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client, User
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db


def staff(group: str) -> Browser:
    user = User.objects.create_user(
        f"{group}@berth.example", "correct horse battery", name="Bob", is_staff=True
    )
    user.groups.add(Group.objects.get(name=group))
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture
def export(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> InvoiceExport:
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    return exports.request(
        kind="csv", invoices=Invoice.objects.all(), actor=ACTOR, now=at("2026-02-02")
    )


def live(browser: Browser, export: InvoiceExport) -> str:
    address = reverse("admin:billing_invoiceexport_live", args=[export.pk])
    return browser.get(address).content.decode()


def test_it_is_watched_and_fetched(export: InvoiceExport) -> None:
    finance = staff("finance")
    address = reverse("admin:billing_invoiceexport_file", args=[export.pk])
    page = live(finance, export)
    assert "Waits for a worker" in page
    assert "every 2s" in page
    assert finance.get(address).status_code == 404

    exports.work(now=at("2026-02-02"))

    page = live(finance, export)
    assert "1 of 1" in page
    assert address in page
    assert "every 2s" not in page
    answer = finance.get(address)
    content = answer.getvalue()
    assert content.startswith(b"\xef\xbb\xbfNumber,")
    assert answer["Content-Length"] == str(len(content))
    assert answer["Content-Disposition"] == 'attachment; filename="invoices.csv"'
    assert (
        address in finance.get(reverse("admin:billing_invoiceexport_changelist")).content.decode()
    )
    whole = finance.get(reverse("admin:billing_invoiceexport_change", args=[export.pk]))
    assert "SHA-256" in whole.content.decode()


def test_nobody_but_finance_sees_them(export: InvoiceExport) -> None:
    exports.work(now=at("2026-02-02"))
    for group in ("operations", "support"):
        browser = staff(group)
        for page in ("file", "live"):
            address = reverse(f"admin:billing_invoiceexport_{page}", args=[export.pk])
            assert browser.get(address).status_code == 403


def test_watching_asks_little(
    export: InvoiceExport, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    finance = staff("finance")
    with django_assert_max_num_queries(6):  # type: ignore[attr-defined]
        live(finance, export)
    with django_assert_max_num_queries(10):  # type: ignore[attr-defined]
        finance.get(reverse("admin:billing_invoiceexport_changelist"))


def add(browser: Browser, page: str, **data: object) -> str:
    """Send the form; what the page says where it was not taken."""
    answer = browser.post(reverse(f"admin:billing_{page}_add"), data)
    return "" if answer.status_code == 302 else answer.content.decode()


def test_finance_says_what_the_books_call_things(acme: Client) -> None:
    finance = staff("finance")
    books = {
        "consultant": 1001,
        "client": 7,
        "year_begins": 1,
        "account_digits": 4,
        "chart": "03",
        "debtor": "1000",
        "xero_account": "200",
        "quickbooks_item": "Hosting",
    }
    assert "has 5 digits here" in add(finance, "bookkeeping", **books)
    assert not Bookkeeping.objects.exists()
    assert not add(finance, "bookkeeping", **{**books, "debtor": "10000"})
    vat = {
        "category": "S",
        "rate": "19",
        "account": "8400",
        "tax_key": "",
        "xero_tax_type": "19%",
        "quickbooks_tax_code": "19.0% S",
    }
    assert not add(finance, "vataccount", **vat)
    assert "There is one for this category and rate already." in add(finance, "vataccount", **vat)
    assert not add(finance, "debtoraccount", client=acme.pk, account="10815")
    change = reverse("admin:billing_bookkeeping_change", args=[1])
    answer = finance.post(change, {**books, "debtor": "10000", "account_digits": 5})
    assert "A client&#x27;s account has 6 digits here" in answer.content.decode()
    assert Bookkeeping.objects.get().account_digits == 4
    row = VatAccount.objects.get()
    changed = {**vat, "account": "8401"}
    finance.post(reverse("admin:billing_vataccount_change", args=[row.pk]), changed)
    assert VatAccount.objects.get().account == "8401"
    debtor = reverse("admin:billing_debtoraccount_change", args=[acme.pk])
    finance.post(debtor, {"account": "10816"})
    assert DebtorAccount.objects.get().account == "10816"
