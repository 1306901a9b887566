"""A client's own budget: what counts, what it is told, and what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing.models import ClientBudget
from billing.services import client_budgets, subscriptions
from hosting.models import Instance, Notification, Plan
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing import money
from tests.billing.money import ACTOR, at
from tests.billing.views.test_invoice_lines import CHARGES, report

pytestmark = pytest.mark.django_db
NOW = at("2026-01-11 11:00")


@pytest.fixture
def priced(book: Instance, acme: Client, small: Plan) -> Instance:
    """30 euros a month and usage, since January."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small, charges=CHARGES)
    run(book)
    return book


def run(book: Instance) -> None:
    money.run_since(book, "2026-01-01")
    subscriptions.follow(now=NOW)


def set_budget(client: Client, amount: str) -> ClientBudget:
    return client_budgets.set_budget(client=client, amount=Decimal(amount), actor=ACTOR)


def told() -> list[str]:
    """By title: those of one moment are in no order."""
    return sorted(Notification.objects.values_list("title", flat=True))


def test_it_stands_at_what_the_periods_have_come_to(priced: Instance, acme: Client) -> None:
    assert client_budgets.standing(acme) is None
    set_budget(acme, "100")
    report(priced, "2026-01-05 12:00", 1050)
    found = client_budgets.standing(acme)
    assert found is not None
    assert (found.spent, found.percent) == (Decimal("31.00"), 31)


@pytest.mark.parametrize(
    ("interval", "amount", "expected"), [("quarter", "100", "33.33"), ("year", "300", "25.00")]
)
def test_of_a_longer_period_one_months_part_counts(
    book: Instance, acme: Client, small: Plan, interval: str, amount: str, expected: str
) -> None:
    money.set_seller()
    money.set_details(acme, interval=interval)
    money.set_price(small, amount, interval=interval)
    run(book)
    set_budget(acme, "1000")
    found = client_budgets.standing(acme)
    assert found is not None
    assert found.spent == Decimal(expected)


def test_each_part_is_told_once_a_month(priced: Instance, acme: Client) -> None:
    set_budget(acme, "60")
    assert client_budgets.tell_due(now=NOW) == 1
    assert client_budgets.tell_due(now=NOW) == 0
    assert told() == ["50 % of the budget of EUR 60.00 spent"]
    set_budget(acme, "30")  # another one is told of anew, of the highest part alone
    assert client_budgets.tell_due(now=NOW) == 1
    assert told() == [
        "100 % of the budget of EUR 30.00 spent",
        "50 % of the budget of EUR 60.00 spent",
    ]
    assert client_budgets.tell_due(now=at("2026-02-01 11:00")) == 1


def test_below_the_first_part_nothing_is_told(priced: Instance, acme: Client) -> None:
    set_budget(acme, "60.01")
    assert client_budgets.tell_due(now=NOW) == 0
    assert told() == []


def test_one_that_fails_keeps_no_other_waiting(
    priced: Instance,
    acme: Client,
    other_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    money.set_details(other_client)
    set_budget(other_client, "1")
    set_budget(acme, "60")
    standing = client_budgets.standing

    def failing(client: Client) -> client_budgets.Standing | None:
        if client == other_client:
            raise ZeroDivisionError
        return standing(client)

    monkeypatch.setattr(client_budgets, "standing", failing)
    with pytest.raises(ZeroDivisionError):
        client_budgets.tell_due(now=NOW)
    assert told() == ["50 % of the budget of EUR 60.00 spent"]
    assert f"the budget of {other_client} was not looked at" in caplog.text


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "Infinity", "1e12", "1e200"])
def test_what_is_no_amount_of_its_currency_is_refused(
    priced: Instance, acme: Client, amount: str
) -> None:
    with pytest.raises(Refused, match=r"Write an amount above 0 as EUR has it\.") as refused:
        set_budget(acme, amount)
    assert refused.value.field == "amount"
    assert not ClientBudget.objects.exists()


def test_without_billing_details_there_is_no_currency(book: Instance, acme: Client) -> None:
    with pytest.raises(Refused, match="no billing details yet"):
        set_budget(acme, "10")


def test_changes_are_in_the_audit_log(priced: Instance, acme: Client) -> None:
    set_budget(acme, "60")
    set_budget(acme, "60.00")
    client_budgets.remove_budget(client=acme, actor=ACTOR)
    client_budgets.remove_budget(client=acme, actor=ACTOR)
    rows = AuditEvent.objects.filter(action__startswith="client.budget").order_by("pk")
    assert list(rows.values_list("action", flat=True)) == [
        "client.budget_set",
        "client.budget_removed",
    ]
    assert rows[1].before == {"amount": "60", "currency": "EUR"}
