"""Finance's reports: who reads them, what they say, their files, and how often they ask."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from billing.models import Invoice
from billing.services.invoicing import credit_notes, runs
from billing.services.paying import settlements
from hosting.models import Instance, Plan, Server
from tenants.models import Client, User
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
PAGES = (
    "billing_report_revenue",
    "billing_report_revenue_documents",
    "billing_report_mrr",
    "billing_report_receivables",
    "billing_report_vat",
)
SPRING = {"from": "2026-02", "to": "2026-04"}


def staff(group: str) -> Browser:
    user = User.objects.create_user(
        f"{group}@berth.example", "correct horse battery", name="Bob", is_staff=True
    )
    user.groups.add(Group.objects.get(name=group))
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture
def finance(db: None) -> Browser:
    return staff("finance")


@pytest.fixture
def books(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Invoice:
    """Three months of Acme's, of which the first is paid in part and the second credited."""
    money.set_seller(timezone="Europe/Berlin")
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    for month in ("02", "03", "04"):
        runs.bill_due(now=at(f"2026-{month}-01 06:00"))
    first, second, _ = Invoice.objects.order_by("sequence")
    settlements.record_payment(
        invoice=first,
        amount=Decimal("5.70"),
        currency="EUR",
        received_on=at("2026-02-10").date(),
        actor=ACTOR,
        now=at("2026-02-11"),
    )
    credit_notes.issue(invoice=second, reason="x", actor=ACTOR, now=at("2026-03-20"))
    return first


def text(browser: Browser, page: str, **query: str) -> str:
    answer = browser.get(reverse(f"admin:{page}"), query)
    assert answer.status_code == 200
    return answer.content.decode()


def csv(browser: Browser, page: str, **query: str) -> list[str]:
    answer = browser.get(reverse(f"admin:{page}"), {"csv": "1", **query})
    assert answer["Content-Type"] == "text/csv"
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    lines: list[str] = content.decode("utf-8-sig").splitlines()
    return lines


@pytest.mark.parametrize("page", PAGES)
def test_only_who_sees_invoices_sees_reports(page: str, books: Invoice) -> None:
    assert staff("support").get(reverse(f"admin:{page}")).status_code == 403
    assert staff("finance").get(reverse(f"admin:{page}")).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_an_installation_without_anything_has_reports(page: str, finance: Browser) -> None:
    assert text(finance, page)
    assert len(csv(finance, page)) == 1


@pytest.mark.parametrize("by", ["month", "plan", "client"])
def test_revenue_is_net_of_credit_notes(finance: Browser, books: Invoice, by: str) -> None:
    page = text(finance, "billing_report_revenue", by=by, **SPRING)
    assert "EUR 60.00" in page
    rows = csv(finance, "billing_report_revenue", by=by, **SPRING)
    assert [row.split(",")[-1] for row in rows] == ["Net", "30.00", "0.00", "30.00"]


def test_a_sum_of_revenue_leads_to_its_documents(finance: Browser, books: Invoice) -> None:
    march = {"from": "2026-03", "to": "2026-03", "by": "month", "currency": "EUR"}
    page = text(finance, "billing_report_revenue_documents", **march)
    assert "INV-000002" in page
    assert "CN-000001" in page
    assert "EUR -30.00" in page
    assert "INV-000001" not in page


def test_recurring_revenue_says_how_it_moved(finance: Browser, books: Invoice) -> None:
    rows = csv(finance, "billing_report_mrr", **{"from": "2025-12", "to": "2026-02"})
    assert rows[1:] == [
        "2025-12,EUR,0.00,0.00,0.00,0.00,0.00,0.00,0.00,0",
        "2026-01,EUR,0.00,30.00,0.00,0.00,0.00,0.00,30.00,1",
        "2026-02,EUR,30.00,0.00,0.00,0.00,0.00,0.00,30.00,1",
    ]
    assert "Clients, Feb 2026" in text(finance, "billing_report_mrr", to="2026-02")


def test_receivables_are_as_of_a_day_and_agree_with_the_books(
    finance: Browser, books: Invoice, acme: Client
) -> None:
    rows = csv(finance, "billing_report_receivables", on="2026-03-25")
    assert rows[1:] == ["2026-03-25,Acme,EUR,1,0.00,0.00,30.00,0.00,0.00,30.00"]
    page = text(finance, "billing_report_receivables")
    assert "Agrees with the books" in page
    invoices = csv(finance, "billing_report_receivables", on="2026-04-02", client=str(acme.pk))
    assert [row.split(",")[1] for row in invoices[1:]] == ["INV-000001", "INV-000003"]


def test_vat_is_what_the_return_needs(finance: Browser, books: Invoice) -> None:
    rows = csv(finance, "billing_report_vat", **SPRING)
    assert rows[1:] == [
        "2026-02,DE,domestic,S,19,EUR,1,30.00,5.70",
        "2026-03,DE,domestic,S,19,EUR,2,0.00,0.00",
        "2026-04,DE,domestic,S,19,EUR,1,30.00,5.70",
    ]
    assert len(csv(finance, "billing_report_vat", **SPRING, csv="recapitulative")) == 1


@pytest.mark.parametrize(
    ("page", "query", "said"),
    [
        ("billing_report_revenue", {"from": "March"}, "Write a month like 2026-03."),
        ("billing_report_mrr", {"from": "2026-03", "to": "2026-02"}, "that is not after the last"),
        ("billing_report_vat", {"from": "1026-03"}, "Write a month like 2026-03."),
        ("billing_report_revenue", {"from": "2020-01", "to": "2026-02"}, "36 at the most"),
        ("billing_report_receivables", {"on": "soon"}, "Write a day like 2026-03-31."),
        ("billing_report_receivables", {"on": "2999-01-01"}, "a day that is not to come"),
    ],
)
def test_what_was_asked_for_wrongly_is_said(
    finance: Browser, books: Invoice, page: str, query: dict[str, str], said: str
) -> None:
    assert said in text(finance, page, **query)


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("billing_report_revenue", {"by": "moon"}),
        ("billing_report_revenue_documents", {"key": "x"}),
        ("billing_report_receivables", {"client": "x"}),
    ],
)
def test_what_there_is_not_is_not_found(finance: Browser, page: str, query: dict[str, str]) -> None:
    assert finance.get(reverse(f"admin:{page}"), query).status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_they_ask_as_often_for_many(
    finance: Browser,
    books: Invoice,
    page: str,
    order: Callable[..., Instance],
    django_assert_max_num_queries: Callable[[int], object],
) -> None:
    for number in range(5):
        money.run_since(order(f"more{number}"), "2026-02-01")
    runs.bill_due(now=datetime(2026, 9, 1, 6, tzinfo=UTC))
    assert timezone.now() > at("2026-09-01")
    with django_assert_max_num_queries(14):  # type: ignore[attr-defined]
        text(finance, page)
