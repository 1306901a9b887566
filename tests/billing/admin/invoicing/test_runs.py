"""Asking for a billing run in the admin, and watching it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse

from billing.models import BillingRun
from billing.services.invoicing import requested_runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client, User
from tests.billing import money
from tests.billing.money import at

pytestmark = pytest.mark.django_db
PREVIEW = "admin:billing_billingrun_preview"
RUN = "admin:billing_billingrun_run"


def staff(group: str) -> Browser:
    user = User.objects.create_user(
        f"{group}@berth.example", "correct horse battery", name="Bob", is_staff=True
    )
    user.groups.add(Group.objects.get(name=group))
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture
def due(
    order: Callable[..., Instance],
    memory_server: Server,
    acme: Client,
    other_client: Client,
    small: Plan,
) -> None:
    money.set_seller()
    money.set_details(acme)
    money.set_details(other_client, currency="JPY")
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    money.run_since(order("yen", client=other_client), "2026-01-01")


@pytest.mark.usefixtures("due")
def test_it_is_asked_for_once_and_watched_by_all() -> None:
    finance = staff("finance")
    assert "Run now" in finance.get(reverse(PREVIEW)).content.decode()
    first = finance.post(reverse(RUN))
    run = BillingRun.objects.get()
    assert first["Location"] == reverse("admin:billing_billingrun_change", args=[run.pk])
    again = finance.post(reverse(RUN), follow=True)
    page = again.content.decode()
    assert "A run was asked for already, and goes on: this is it." in page
    assert "Waits for a worker" in page
    assert BillingRun.objects.count() == 1
    assert "Watch the run" in finance.get(reverse(PREVIEW)).content.decode()


@pytest.mark.usefixtures("due")
def test_its_page_shows_what_it_came_to() -> None:
    finance = staff("finance")
    finance.post(reverse(RUN))
    run = requested_runs.work(now=at("2026-03-01 06:00"))
    assert run is not None
    page = finance.get(reverse("admin:billing_billingrun_live", args=[run.pk])).content.decode()
    assert "5 of 5 done" in page
    assert "EUR 71.40" in page
    assert "The plan Small has no price in JPY a month on 2026-01-01." in page
    assert "hx-get" not in page
    assert (
        "EUR 71.40" in finance.get(reverse("admin:billing_billingrun_changelist")).content.decode()
    )


@pytest.mark.usefixtures("due")
def test_only_finance_asks_for_one() -> None:
    assert staff("operations").post(reverse(RUN)).status_code == 403
    assert staff("finance").get(reverse(RUN)).status_code == 405
    assert not BillingRun.objects.exists()


def test_without_a_seller_it_says_what_is_missing(db: None) -> None:
    page = staff("finance").post(reverse(RUN), follow=True).content.decode()
    assert "Enter the seller first" in page


@pytest.mark.usefixtures("due")
def test_watching_asks_little(django_assert_max_num_queries: Callable[[int], object]) -> None:
    finance = staff("finance")
    finance.post(reverse(RUN))
    address = reverse("admin:billing_billingrun_live", args=[BillingRun.objects.get().pk])
    with django_assert_max_num_queries(6):  # type: ignore[attr-defined]
        finance.get(address)
