"""From a suspended instance's page to the invoice that it is suspended for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client as Browser
from django.utils import timezone

from billing.models import DunningSuspension, Invoice
from billing.services.invoicing import runs
from hosting.models import Instance, Operation, Plan, Server
from hosting.services import suspensions
from tenants.models import Client, Role, User
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
PAGE = "/c/acme/instances/book/"


@pytest.fixture
def suspended(
    order: Callable[..., Instance],
    work_off: Callable[[Instance], Operation],
    memory_server: Server,
    acme: Client,
    small: Plan,
) -> Instance:
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    book = order()
    work_off(book)
    money.run_since(book, "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    suspensions.suspend(instance=book, reason="It is overdue.", actor=ACTOR)
    work_off(book)
    return book


def _take(book: Instance) -> None:
    DunningSuspension.objects.create(
        instance=book, invoice=Invoice.objects.get(), since=timezone.now()
    )


def test_who_sees_bills_gets_to_how_to_pay(suspended: Instance, browser: Browser) -> None:
    assert "How to pay" not in browser.get(PAGE).content.decode(), "staff did it for another reason"
    _take(suspended)
    page = browser.get(PAGE).content.decode()
    assert "How to pay INV-000001" in page
    assert 'href="/c/acme/invoices/INV-000001/"' in page
    assert "Pay by bank transfer" in browser.get("/c/acme/invoices/INV-000001/").content.decode()


def test_who_does_not_see_bills_is_led_nowhere(
    suspended: Instance, member: Callable[[Role], User], login: Callable[[User], Browser]
) -> None:
    _take(suspended)
    page = login(member(Role.VIEWER)).get(PAGE).content.decode()
    assert "It is suspended." in page
    assert "How to pay" not in page
