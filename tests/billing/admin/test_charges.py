"""What usage costs, typed in rows."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse

from billing.models import Price
from hosting.models import Plan
from tenants.models import User

pytestmark = pytest.mark.django_db

PAGE = "admin:billing_price_add"


@pytest.fixture
def finance(client: Browser) -> Browser:
    bob = User.objects.create_user(
        "bob@berth.example", "correct horse battery", name="Bob", is_staff=True
    )
    bob.groups.add(Group.objects.get(name="finance"))
    client.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    return client


def send(browser: Browser, plan: Plan, *rows: dict[str, str]) -> str:
    """What the page says where the price was not taken."""
    fields = {"plan": plan.pk, "currency": "EUR", "interval": "month", "amount": "30.00"}
    more = {"valid_from": date(2026, 1, 1), "setup_fee": "0", "trial_days": "0"}
    typed = {
        f"charges-{at}-{cell}": text for at, row in enumerate(rows) for cell, text in row.items()
    }
    answer = browser.post(reverse(PAGE), {**fields, **more, **typed})
    return "" if answer.status_code == 302 else answer.content.decode()


def test_the_page_offers_the_meters_of_all_apps(finance: Browser, small: Plan) -> None:
    page = finance.get(reverse(PAGE)).content.decode()
    assert '<option value="executions">' in page
    assert '<option value="llm_input">' in page
    assert page.count('<fieldset class="b-charge">') == 8


def test_rows_become_charges_and_empty_ones_nothing(finance: Browser, small: Plan) -> None:
    tiered = {"meter": "executions", "model": "graduated", "included": "1000", "per": "100"}
    none = {"meter": "", "model": "standard", "included": "", "per": "", "tiers": ""}
    tokens = {"meter": "llm_input", "per": "1000000", "tiers": "2.50"}
    rows = ({**tiered, "tiers": "10000: 0.20\r\n more : 0.10\r\n\r\n"}, none, tokens)
    assert not send(finance, small, *rows)
    assert Price.objects.get().charges == [
        {**tiered, "tiers": [["10000", "0.20"], [None, "0.10"]]},
        {"meter": "llm_input", "model": "standard", "per": "1000000", "tiers": [[None, "2.50"]]},
    ]


def test_a_price_may_charge_no_usage(finance: Browser, small: Plan) -> None:
    assert not send(finance, small)
    price = Price.objects.get()
    assert (price.charges, price.amount) == ([], Decimal("30.00"))


def test_all_that_is_wrong_is_said_at_once(finance: Browser, small: Plan) -> None:
    page = send(finance, small, {"tiers": "1"}, {"meter": "a", "tiers": "x"}, {"meter": "b"})
    assert "Row 1: name the meter" in page
    assert "a: “x” is not a number." in page
    assert "b: write what it costs" in page


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"tiers": "0.10"}, "Row 1: name the meter, such as executions."),
        ({"meter": "executions"}, "executions: write what it costs, such as 0.10."),
        ({"meter": "executions", "tiers": "10000:"}, "“10000:” is no tier"),
        ({"meter": "executions", "tiers": ": 0.10"}, "“: 0.10” is no tier"),
        ({"meter": "executions", "tiers": "cheap"}, "executions: “cheap” is not a number."),
        ({"meter": "executions", "tiers": "0,10"}, "executions: “0,10” is not a number."),
        ({"meter": "executions", "tiers": "-1"}, "executions: A price is a number and not neg"),
        ({"meter": "executions", "tiers": "5: 1"}, "executions: There are 1 to 20 tiers"),
        ({"meter": "executions", "tiers": "5: 1\n1"}, "executions: The model standard has one"),
        ({"meter": "executions", "per": "0", "tiers": "1"}, "executions: A price is for a number"),
        ({"meter": "executions", "model": "free", "tiers": "1"}, "executions: “free” is no model"),
    ],
)
def test_what_makes_no_sense_is_said_and_stays_as_typed(
    finance: Browser, small: Plan, row: dict[str, str], said: str
) -> None:
    page = send(finance, small, row)
    assert said in page
    if "meter" in row:
        assert 'value="executions"' in page
    assert not Price.objects.exists()
