"""Staff see whether an invoice went out, and send it again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse

from billing.models import Invoice, InvoiceFile, InvoiceMail
from billing.services.invoicing import runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client, User
from tests.billing import money
from tests.billing.money import at

pytestmark = pytest.mark.django_db
NOW = at("2026-02-01 12:00")


@pytest.fixture
def invoice(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Invoice:
    money.set_seller()
    money.set_details(acme, email="books@acme.example")
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    issued = Invoice.objects.get()
    InvoiceFile.objects.create(
        invoice=issued, made_at=NOW, kind="pdf", content=b"%PDF-1.7", sha256="ab" * 32
    )
    return issued


def _browser(group: str) -> Browser:
    user = User.objects.create_user(
        f"{group}@berth.example", "correct horse battery", name="Bob", is_staff=True
    )
    user.groups.add(Group.objects.get(name=group))
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


def _page(browser: Browser, invoice: Invoice) -> str:
    url = reverse("admin:billing_invoice_change", args=[invoice.pk])
    return browser.get(url).content.decode()


def _send_url(invoice: Invoice) -> str:
    return reverse("admin:billing_invoice_send", args=[invoice.pk])


def test_the_page_says_how_the_mail_stands(invoice: Invoice) -> None:
    finance = _browser("finance")
    assert "Not sent by mail" in _page(finance, invoice)

    row = InvoiceMail.objects.create(invoice=invoice, problem="550 No such user")
    html = _page(finance, invoice)
    assert "Not sent" in html
    assert "550 No such user" in html

    row.problem, row.mailed_at, row.mailed_to, row.times = "", NOW, ["books@acme.example"], 2
    row.save()
    html = _page(finance, invoice)
    assert "to books@acme.example, 2 times by now" in html
    assert "Send again" in html


def test_finance_sends_it_again_after_a_question(invoice: Invoice) -> None:
    finance = _browser("finance")
    assert "It goes to books@acme.example" in finance.get(_send_url(invoice)).content.decode()
    assert not InvoiceMail.objects.exists()

    answer = finance.post(_send_url(invoice), follow=True)

    assert "INV-000001 is sent within a minute." in answer.content.decode()
    assert InvoiceMail.objects.get(invoice=invoice).send_at is not None


def test_nobody_else_sends_it(invoice: Invoice) -> None:
    assert _browser("support").post(_send_url(invoice)).status_code == 403
    assert not InvoiceMail.objects.exists()


def test_what_was_not_sent_is_found(invoice: Invoice) -> None:
    InvoiceMail.objects.create(invoice=invoice, problem="550 No such user")
    url = reverse("admin:billing_invoice_changelist")
    finance = _browser("finance")
    assert "INV-000001" in finance.get(url, {"mail": "stuck"}).content.decode()
    for other in ("waits", "sent"):
        assert "INV-000001" not in finance.get(url, {"mail": other}).content.decode()
