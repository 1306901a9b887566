"""What clients owe as of a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.models import Invoice
from billing.selectors.reports import receivables
from billing.services.invoicing import credit_notes, runs
from billing.services.paying import settlements
from hosting.models import Instance, Plan, Server
from tenants.models import Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")
FAR = date(2027, 1, 1)


@pytest.fixture
def invoice(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Invoice:
    """Of 1 February, due on the 15th, over 35.70 EUR."""
    money.set_seller(payment_days=14)
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    return Invoice.objects.get()


def aged(on: str, today: date = FAR) -> tuple[str, ...]:
    found = receivables.aged(on=date.fromisoformat(on), today=today, zone=BERLIN)
    return tuple(f"{amount:.2f}" for each in found for amount in each.amounts)


@pytest.mark.parametrize(
    ("on", "bucket"),
    [
        ("2026-02-01", 0),
        ("2026-02-15", 0),
        ("2026-02-16", 1),
        ("2026-03-17", 1),
        ("2026-03-18", 2),
        ("2026-04-16", 2),
        ("2026-04-17", 3),
        ("2026-05-16", 3),
        ("2026-05-17", 4),
    ],
)
def test_it_is_by_days_since_it_was_due(invoice: Invoice, on: str, bucket: int) -> None:
    expected = ["0.00"] * 5
    expected[bucket] = "35.70"
    assert aged(on) == tuple(expected)


def test_nothing_is_owed_before_it_was_issued(invoice: Invoice) -> None:
    assert aged("2026-01-31") == ()


def pay(invoice: Invoice, amount: str, received: str, recorded: str) -> None:
    settlements.record_payment(
        invoice=invoice,
        amount=Decimal(amount),
        currency="EUR",
        received_on=date.fromisoformat(received),
        actor=ACTOR,
        now=at(recorded),
    )


def test_a_payment_counts_from_the_day_on_which_the_bank_had_it(invoice: Invoice) -> None:
    pay(invoice, "20.00", received="2026-02-10", recorded="2026-02-13")
    assert aged("2026-02-09")[0] == "35.70"
    assert aged("2026-02-10")[0] == "15.70"


def test_a_credit_note_and_what_it_gives_back_count_on_the_same_day(invoice: Invoice) -> None:
    pay(invoice, "35.70", received="2026-02-10", recorded="2026-02-10")
    credit_notes.issue(invoice=invoice, reason="x", actor=ACTOR, now=at("2026-02-28 23:30"))
    for day in ("2026-02-10", "2026-02-28", "2026-03-01", "2026-03-02"):
        assert aged(day) == ()


def test_today_is_as_the_books_stand(invoice: Invoice) -> None:
    """Where the client lives it may be tomorrow already when it pays."""
    Client.objects.update(timezone="Pacific/Auckland")
    pay(invoice, "20.00", received="2026-02-14", recorded="2026-02-13 20:00")
    assert aged("2026-02-13")[0] == "35.70"
    assert aged("2026-02-14")[0] == "15.70"
    assert aged("2026-02-13", today=date(2026, 2, 13))[0] == "15.70"
    assert receivables.in_the_books() == {"EUR": Decimal("15.70")}


def test_a_sum_leads_to_its_invoices(invoice: Invoice, other_client: Client) -> None:
    wanted: dict[str, Any] = {"on": date(2026, 3, 1), "today": FAR, "zone": BERLIN}
    (found,) = receivables.invoices(**wanted, client=invoice.client_id)
    assert (found.number, found.due_on, found.amount) == (
        invoice.number,
        date(2026, 2, 15),
        Decimal("35.70"),
    )
    assert receivables.invoices(**wanted, client=other_client.pk) == []
