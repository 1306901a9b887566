"""Staff read what a plan costs where they choose one for a client."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import date

import pytest
from django.test import Client as Browser
from django.urls import reverse

from hosting.models import Instance, Plan, Server
from tenants.models import Client, User
from tests.billing import money
from tests.hosting.saved import recorded

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db: None) -> Browser:
    user = User.objects.create_superuser("root@berth.example", name="Root")
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture
def prices(small: Plan, acme: Client) -> None:
    """30 euros a month, 8,000 yen a quarter; what begins in a hundred years is nothing yet."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.set_price(small, "8000", currency="JPY", interval="quarter")
    money.set_price(small, "99.00", valid_from=date(2126, 1, 1))


def _text(browser: Browser, page: str) -> str:
    return " ".join(html.unescape(browser.get(page).content.decode()).split())


def test_an_order_shows_each_plans_prices(
    root: Browser, prices: None, make_plan: Callable[[str], Plan], memory_server: Server
) -> None:
    make_plan("large")
    page = _text(root, reverse("admin:hosting_instance_add"))
    assert "Small: EUR 30.00 a month or JPY 8,000 a quarter<" in page
    assert "Large: No price yet<" in page


def test_an_order_shows_nothing_where_nobody_sells(root: Browser, small: Plan) -> None:
    page = _text(root, reverse("admin:hosting_instance_add"))
    assert ">Small<" in page
    assert "No price" not in page


def test_a_clone_shows_what_the_client_pays(
    root: Browser,
    prices: None,
    order: Callable[..., Instance],
    memory_server: Server,
    work_off: Callable[[Instance], object],
) -> None:
    book = order()
    work_off(book)
    page = _text(root, reverse("admin:hosting_backup_clone", args=[recorded(book).pk]))
    assert "Small: EUR 30.00 a month<" in page
    assert "JPY" not in page
