"""What pages of revenue show is kept, and whatever changes it is seen at once."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest
from django.test import Client as Browser
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from billing.models import Invoice
from billing.selectors.reports import revenue
from billing.selectors.reports.months import Months
from billing.services.invoicing import credit_notes, runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client, User
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
REVENUE, DOCUMENTS = "admin:billing_report_revenue", "admin:billing_report_revenue_documents"
SPRING = {"from": "2026-02", "to": "2026-04"}
NO_CACHE = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}


@pytest.fixture
def finance(admin_user: User) -> Browser:
    browser = Browser()
    browser.force_login(admin_user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture(autouse=True)
def small(order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan) -> Plan:
    """Two months of Acme's are invoiced."""
    money.set_seller(timezone="Europe/Berlin")
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    for month in ("02", "03"):
        runs.bill_due(now=at(f"2026-{month}-01 06:00"))
    return small


def credit() -> None:
    first = Invoice.objects.earliest("sequence")
    credit_notes.issue(invoice=first, reason="x", actor=ACTOR, now=at("2026-03-20"))


CHANGES: dict[str, Callable[[], object]] = {
    "an invoice": lambda: runs.bill_due(now=at("2026-04-01 06:00")),
    "a credit note": credit,
    "a plan's name": lambda: Plan.objects.filter(slug="small").update(name="Renamed"),
    "a client's name": lambda: Client.objects.filter(name="Acme").update(name="Renamed"),
}
SHOWN: dict[str, Callable[[str], bool]] = {
    "an invoice": lambda page: "EUR 90.00" in page,
    "a credit note": lambda page: 'class="b-num">EUR 30.00</b>' in page,
    "a plan's name": lambda page: "Renamed" in page,
    "a client's name": lambda page: "Renamed" in page,
}
NOT_NAMED = {  # there
    ("plan", REVENUE, "a client's name"),
    ("client", REVENUE, "a plan's name"),
    ("plan", DOCUMENTS, "a plan's name"),
    ("client", DOCUMENTS, "a plan's name"),
}


def text(browser: Browser, page: str, by: str, key: str = "") -> str:
    """What stands on the page under its form."""
    answer = browser.get(reverse(page), {"by": by, "key": key, **SPRING})
    assert answer.status_code == 200
    content = html.unescape(answer.content.decode())
    return re.sub(r"\s+", " ", content[content.index("b-summary") :])


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("page", [REVENUE, DOCUMENTS])
@pytest.mark.parametrize("by", ["plan", "client"])
def test_a_change_is_seen_at_once(
    finance: Browser, settings: Settings, small: Plan, acme: Client, by: str, page: str, change: str
) -> None:
    key = "" if page == REVENUE else str({"plan": small, "client": acme}[by].pk)
    before = text(finance, page, by, key)
    assert text(finance, page, by, key) == before
    assert not SHOWN[change](before)
    CHANGES[change]()
    after = text(finance, page, by, key)
    assert SHOWN[change](after) != ((by, page, change) in NOT_NAMED)
    settings.CACHES = NO_CACHE
    assert text(finance, page, by, key) == after


def test_a_sum_s_documents_are_no_other_s(finance: Browser, small: Plan) -> None:
    assert "INV-000001" in text(finance, DOCUMENTS, "plan", str(small.pk))
    assert "There is none." in text(finance, DOCUMENTS, "plan")


def test_only_months_that_changed_are_read_again(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    spring = Months(at("2026-02-01").date(), at("2026-04-01").date(), ZoneInfo("Europe/Berlin"))
    before = revenue.revenue(spring, by="plan")
    with django_assert_num_queries(1):
        assert revenue.revenue(spring, by="plan") == before
    runs.bill_due(now=at("2026-04-01 06:00"))
    with django_assert_num_queries(3):
        after = revenue.revenue(spring, by="plan")
    assert after[:2] == before
    assert [f"{row.month:%Y-%m}" for row in after] == ["2026-02", "2026-03", "2026-04"]
