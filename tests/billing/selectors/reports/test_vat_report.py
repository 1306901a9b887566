"""VAT by month, country, category and rate; what buyers owe themselves by VAT number."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from billing.models import BillingProfile, Invoice
from billing.selectors.reports import vat_report
from billing.selectors.reports.months import Months
from billing.services.invoicing import credit_notes, runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
FEBRUARY = Months(date(2026, 2, 1), date(2026, 2, 1), ZoneInfo("Europe/Berlin"))


@pytest.fixture
def issued(
    order: Callable[..., Instance],
    memory_server: Server,
    acme: Client,
    other_client: Client,
    small: Plan,
) -> None:
    money.set_seller()
    money.set_details(acme)
    money.set_details(other_client, country="AT", vat_number="ATU12345675")
    BillingProfile.objects.filter(client=other_client).update(vat_state="valid")
    money.set_price(small, "100.00")
    money.run_since(order(), "2026-01-01")
    money.run_since(order("wien", client=other_client), "2026-01-01")
    runs.bill_due(now=at("2026-02-01 06:00"))


def said() -> list[tuple[object, ...]]:
    return [
        (each.country, each.rule, each.category, f"{each.rate:.0f}", f"{each.basis:.2f}",
         f"{each.vat:.2f}", each.documents)
        for each in vat_report.taxed(FEBRUARY)
    ]  # fmt: skip


@pytest.mark.usefixtures("issued")
def test_it_is_by_country_rule_and_rate() -> None:
    assert said() == [
        ("AT", "reverse_charge", "AE", "0", "100.00", "0.00", 1),
        ("DE", "domestic", "S", "19", "100.00", "19.00", 1),
    ]
    (owed,) = vat_report.recapitulated(FEBRUARY)
    assert (owed.vat_number, owed.country, f"{owed.basis:.2f}") == ("ATU12345675", "AT", "100.00")


@pytest.mark.usefixtures("issued")
def test_credit_notes_are_less_and_the_sum_is_that_of_the_documents() -> None:
    for invoice in Invoice.objects.filter(kind="invoice"):
        credit_notes.issue(invoice=invoice, reason="x", actor=ACTOR, now=at("2026-02-20"))
    assert [row[-3:] for row in said()] == [("0.00", "0.00", 2), ("0.00", "0.00", 2)]
