"""Margins in the admin, and on the fleet's page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse

from billing.models import ServerCost
from billing.services.invoicing import runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client, User
from tests.billing import money
from tests.billing.money import at

pytestmark = pytest.mark.django_db
PAGE, PANEL = "admin:billing_report_margin", "admin:billing_report_margin_panel"
FLEET = "admin:hosting_fleet"


def staff(group: str) -> Browser:
    user = User.objects.create_user(
        f"{group}@berth.example", "correct horse battery", name="Bob", is_staff=True
    )
    user.groups.add(Group.objects.get(name=group))
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture
def march(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Instance:
    money.set_seller(timezone="Europe/Berlin")
    money.set_details(acme)
    money.set_price(small)
    instance = money.run_since(order(), "2026-01-01")
    Instance.objects.update(created_at=at("2026-01-01"))
    runs.bill_due(now=at("2026-04-02"))
    return instance


def cost(server: Server, **more: object) -> dict[str, object]:
    return {
        "server": server.pk,
        "valid_from": "2026-01-01",
        "currency": "EUR",
        "amount": "800",
        "cpu_weight": 40,
        "memory_weight": 40,
        "disk_weight": 20,
        **more,
    }


def test_finance_enters_costs_and_sees_margins(march: Instance, memory_server: Server) -> None:
    finance = staff("finance")
    assert "No cost was entered for memory" in finance.get(reverse(PAGE)).content.decode()
    add = reverse("admin:billing_servercost_add")
    wrong = finance.post(add, cost(memory_server, cpu_weight=50)).content.decode()
    assert "The three weights make up 100." in wrong
    assert finance.post(add, cost(memory_server)).status_code == 302
    row = ServerCost.objects.get()
    change = reverse("admin:billing_servercost_change", args=[row.pk])
    assert finance.post(change, cost(memory_server, amount="1600")).status_code == 302
    page = finance.get(reverse(PAGE), {"month": "2026-03"}).content.decode()
    # 100 + 50 + 3.2 of what it costs, twice as much as it brings
    for words in ("EUR 30.00", "EUR 63.20", "EUR -33.20", "-111 %", "EUR 1,536.80", "96 %"):
        assert words in page
    answer = finance.get(reverse(PAGE), {"month": "2026-03", "csv": "1"})
    rows = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]
    assert rows[1:] == ["2026-03,Acme,book,EUR,30.00,63.20,0.00,-33.20"]


def test_a_client_s_instances_are_a_page(march: Instance, other_client: Client) -> None:
    finance = staff("finance")
    query = {"month": "2026-03", "client": str(march.client_id)}
    assert "book" in finance.get(reverse(PAGE), query).content.decode()
    query["client"] = str(other_client.pk)
    assert (
        "Nothing was earned and nothing cost." in finance.get(reverse(PAGE), query).content.decode()
    )
    assert finance.get(reverse(PAGE), {"client": "x"}).status_code == 404


@pytest.mark.parametrize(
    ("month", "said"),
    [("March", "Write a month like 2026-03."), ("2999-01", "a month that is not to come")],
)
def test_a_month_that_can_t_be_is_said(march: Instance, month: str, said: str) -> None:
    assert said in staff("finance").get(reverse(PAGE), {"month": month}).content.decode()


def test_operations_sees_it_on_the_fleet_s_page(march: Instance) -> None:
    operations = staff("operations")
    fleet = operations.get(reverse(FLEET)).content.decode()
    assert "Margin last month" in fleet
    assert f'hx-get="{reverse(PANEL)}"' in fleet
    panel = operations.get(reverse(PANEL)).content.decode()
    assert "Instances with the lowest margin" in panel
    assert "<html" not in panel


def test_support_sees_no_margin(march: Instance) -> None:
    support = staff("support")
    for page in (PAGE, PANEL):
        assert support.get(reverse(page)).status_code == 403
    Group.objects.get(name="operations").permissions.filter(codename="view_margin").delete()
    assert "Margin last month" not in staff("operations").get(reverse(FLEET)).content.decode()


def test_it_asks_as_often_for_many(
    march: Instance,
    order: Callable[..., Instance],
    django_assert_max_num_queries: Callable[[int], object],
) -> None:
    for number in range(5):
        money.run_since(order(f"more{number}"), "2026-02-01")
    finance = staff("finance")
    for page in (PAGE, PANEL):
        with django_assert_max_num_queries(16):  # type: ignore[attr-defined]
            finance.get(reverse(page))
