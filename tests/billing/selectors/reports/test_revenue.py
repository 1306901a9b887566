"""Revenue by month, plan and client: the same sum, and credit notes shared out to the cent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from billing.models import Invoice
from billing.selectors.reports import revenue
from billing.selectors.reports.months import Months
from billing.services.invoicing import credit_notes, runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")


def months(first: str, last: str, zone: ZoneInfo = BERLIN) -> Months:
    return Months(date.fromisoformat(f"{first}-01"), date.fromisoformat(f"{last}-01"), zone)


def said(rows: object) -> list[tuple[str, str, str, str]]:
    return [
        (f"{row.month:%Y-%m}", row.name, row.currency, f"{row.net:.2f}")
        for row in rows  # type: ignore[attr-defined]
    ]


@pytest.fixture
def issued(
    order: Callable[..., Instance],
    memory_server: Server,
    acme: Client,
    other_client: Client,
    small: Plan,
    make_plan: Callable[[str], Plan],
) -> None:
    """Two months of Acme's small and large, and of Globex's small in yen."""
    large = make_plan("large")
    money.set_seller()
    money.set_details(acme, country="US")  # no VAT: any amount can be credited
    money.set_details(other_client, currency="JPY", country="JP")
    money.set_price(small, "29.99")
    money.set_price(large, "99.99")
    money.set_price(small, "5000", currency="JPY")
    money.run_since(order(), "2026-01-01")
    money.run_since(order("shop", plan=large.slug), "2026-01-01")
    money.run_since(order("yen", client=other_client), "2026-01-01")
    runs.bill_due(now=at("2026-02-01 06:00"))
    runs.bill_due(now=at("2026-03-01 06:00"))


@pytest.mark.usefixtures("issued")
def test_revenue_is_by_month_plan_and_client() -> None:
    both = months("2026-02", "2026-03")
    assert said(revenue.revenue(both, by="month")) == [
        ("2026-02", "", "EUR", "129.98"),
        ("2026-02", "", "JPY", "5000.00"),
        ("2026-03", "", "EUR", "129.98"),
        ("2026-03", "", "JPY", "5000.00"),
    ]
    assert said(revenue.revenue(both, by="plan"))[:3] == [
        ("2026-02", "Large", "EUR", "99.99"),
        ("2026-02", "Small", "EUR", "29.99"),
        ("2026-02", "Small", "JPY", "5000.00"),
    ]
    assert said(revenue.revenue(both, by="client"))[:2] == [
        ("2026-02", "Acme", "EUR", "129.98"),
        ("2026-02", "Globex", "JPY", "5000.00"),
    ]


@pytest.mark.usefixtures("issued")
def test_a_month_is_the_seller_s() -> None:
    invoice = Invoice.objects.filter(currency="EUR").earliest("issued_at")
    credit_notes.issue(invoice=invoice, reason="x", actor=ACTOR, now=at("2026-03-31 22:30"))
    assert said(revenue.revenue(months("2026-04", "2026-04"), by="month")) == [
        ("2026-04", "", "EUR", "-129.98")
    ]
    in_utc = months("2026-04", "2026-04", ZoneInfo("UTC"))
    assert said(revenue.revenue(in_utc, by="month")) == []


@pytest.mark.usefixtures("issued")
@pytest.mark.parametrize("net", ["0.01", "0.02", "10.00", "77.77", "129.97"])
def test_a_credit_note_is_shared_out_to_the_cent(net: str) -> None:
    invoice = Invoice.objects.filter(currency="EUR").earliest("issued_at")
    credit_notes.issue(
        invoice=invoice, reason="x", net=Decimal(net), actor=ACTOR, now=at("2026-03-15")
    )
    note = Invoice.objects.get(kind="credit_note")
    march = months("2026-03", "2026-03")
    by_plan = [row for row in revenue.revenue(march, by="plan") if row.currency == "EUR"]
    assert sum(row.credited for row in by_plan) == note.net
    assert all(row.credited.as_tuple().exponent >= -3 and row.credited >= 0 for row in by_plan)  # type: ignore[operator]
    large, small = (row.credited for row in by_plan)
    exact = note.net * Decimal("99.99") / Decimal("129.98")
    assert abs(large - exact) <= Decimal("0.01")
    assert large + small == note.net


@pytest.mark.usefixtures("issued")
def test_a_sum_leads_to_the_documents_it_is_of() -> None:
    invoice = Invoice.objects.filter(currency="EUR").earliest("issued_at")
    note = credit_notes.issue(invoice=invoice, reason="x", actor=ACTOR, now=at("2026-03-15"))
    both = months("2026-02", "2026-03")
    for by in ("month", "plan", "client"):
        for row in revenue.revenue(both, by=by):
            of = Months(row.month, row.month, BERLIN)
            parts = revenue.parts(of, by=by, key=row.key, currency=row.currency)
            assert sum(part.net for part in parts) == row.net
            assert len(parts) == row.documents
    plan = Plan.objects.get(slug="large")
    parts = revenue.parts(both, by="plan", key=plan.pk, currency="EUR")
    march = Invoice.objects.filter(currency="EUR", kind="invoice").latest("issued_at")
    assert [(part.number, f"{part.net:.2f}") for part in parts] == [
        (invoice.number, "99.99"),
        (march.number, "99.99"),
        (note.number, "-99.99"),
    ]
