"""Finance sees what was paid online, and gives it back."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse

from billing.models import Invoice, OnlineEvent, OnlinePage, OnlineReversal
from billing.services.invoicing import runs
from hosting.models import Instance, Plan, Server
from tenants.models import AuditEvent, Client, User
from tests.billing import money
from tests.billing.money import at

pytestmark = pytest.mark.django_db
NOW = at("2026-02-10")


def _browser(group: str) -> Browser:
    user = User.objects.create_user(
        f"{group}@berth.example", "correct horse battery", name=group, is_staff=True
    )
    user.groups.add(Group.objects.get(name=group))
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture
def page(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> OnlinePage:
    """35.70 euros, paid."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    return OnlinePage.objects.create(
        invoice=Invoice.objects.get(),
        amount=Decimal("35.70"),
        currency="EUR",
        page_id="cs_1",
        payment_id="pi_1",
        state="paid",
        opened_at=NOW,
        looked_at=NOW,
    )


def test_finance_has_a_payment_given_back(page: OnlinePage) -> None:
    finance = _browser("finance")
    look = reverse("admin:billing_onlinepage_change", args=[page.pk])
    refund = reverse("admin:billing_onlinepage_refund", args=[page.pk])
    listed = finance.get(reverse("admin:billing_onlinepage_changelist")).content.decode()
    assert "EUR 35.70" in listed
    assert refund in finance.get(look).content.decode()
    assert 'value="35.7"' in finance.get(refund).content.decode()
    wrong = finance.post(refund, {"amount": "35.71", "reason": "x"})
    assert wrong.status_code == 422
    assert "No more than EUR 35.70 is left of it." in wrong.content.decode()
    assert finance.post(refund, {"amount": "10", "reason": "Sorry"}).status_code == 302
    row = OnlineReversal.objects.get()
    assert (row.amount, row.state) == (Decimal(10), "asked")
    assert AuditEvent.objects.filter(action="online_payment.refund_asked").exists()
    assert "Asked for" in finance.get(look).content.decode()


def test_messages_can_be_looked_at(page: OnlinePage) -> None:
    OnlineEvent.objects.create(id="evt_1", kind="charge.refunded", came_at=NOW)
    shown = _browser("finance").get(reverse("admin:billing_onlineevent_changelist"))
    assert "charge.refunded" in shown.content.decode()


@pytest.mark.parametrize("group", ["support", "operations"])
def test_nobody_else_sees_or_does_it(group: str, page: OnlinePage) -> None:
    other = _browser(group)
    refund = reverse("admin:billing_onlinepage_refund", args=[page.pk])
    assert other.get(reverse("admin:billing_onlinepage_changelist")).status_code == 403
    assert other.post(refund, {"amount": "1", "reason": "x"}).status_code == 403
    assert not OnlineReversal.objects.exists()
