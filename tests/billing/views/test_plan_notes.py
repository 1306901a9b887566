"""What an order and a change of plan cost is read before either is confirmed."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.test import Client as Browser
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from billing.models import Price
from billing.services import plan_changes, pricing, subscriptions
from billing.services.plan_changes import Outlook
from billing.views import plan_notes
from hosting.models import Instance, Plan, Server
from tenants.models import Client
from tests.billing import money
from tests.billing.money import at

pytestmark = pytest.mark.django_db
ORDER = "/c/acme/instances/new"


@pytest.fixture
def large(make_plan: Callable[[str], Plan]) -> Plan:
    return make_plan("large")


def _text(browser: Browser, url: str) -> str:
    return " ".join(html.unescape(browser.get(url).content.decode()).split())


@pytest.mark.parametrize(
    ("charge", "words"),
    [
        (
            {"included": 1000, "per": 100, "tiers": [[None, 0.2]]},
            "Executions: 1,000 included, then EUR 0.20 per 100.",
        ),
        ({"tiers": [[None, 0.0125]]}, "Executions: EUR 0.0125 each."),
        (
            {"model": "graduated", "tiers": [[100, 1], [200, 0.5], [None, 0.25]]},
            "Executions: EUR 1.00 each up to 100, EUR 0.50 each up to 200,"
            " EUR 0.25 each above 200.",
        ),
        (
            {"model": "volume", "tiers": [[100, 1], [None, 0.5]]},
            "Executions: EUR 1.00 each up to 100, EUR 0.50 each above 100,"
            " all at the price of the last one.",
        ),
        (
            {"model": "package", "per": 500, "tiers": [[None, 3]]},
            "Executions: EUR 3.00 for each 500 begun.",
        ),
    ],
)
def test_a_charge_in_words(charge: dict[str, object], words: str) -> None:
    found = plan_notes.charge_in_words("executions", pricing.charge_of(charge), "EUR")
    assert found == words


def test_the_order_form_has_each_plan_s_price(
    acme: Client, small: Plan, large: Plan, browser: Browser
) -> None:
    assert "No price yet" not in _text(browser, ORDER), "nobody sells: there is nothing to say"
    money.set_seller()
    money.set_price(
        small,
        setup_fee=Decimal("10.00"),
        trial_days=14,
        charges=[{"meter": "executions", "included": 1000, "per": 100, "tiers": [[None, 0.2]]}],
    )

    page = _text(browser, ORDER)

    for words in (
        "EUR 30.00 a month",
        "The first 14 days are free.",
        "EUR 10.00 once for the setup.",
        "Executions: 1,000 included, then EUR 0.20 per 100.",
        "No price yet",
    ):
        assert words in page


def test_a_client_reads_the_price_that_it_pays(acme: Client, small: Plan, browser: Browser) -> None:
    money.set_seller()
    money.set_price(small)
    money.set_price(small, "300.00", currency="USD", interval="year")
    money.set_details(acme, currency="USD", interval="year")

    page = _text(browser, ORDER)

    assert "USD 300.00 a year" in page
    assert "EUR 30.00" not in page


def test_a_version_that_begins_later_is_not_the_price_yet(acme: Client, small: Plan) -> None:
    money.set_seller()
    money.set_price(small)
    money.set_price(small, "40.00", valid_from=date(2026, 2, 1))
    for now, words in (("2026-01-31", "EUR 30.00 a month"), ("2026-02-01", "EUR 40.00 a month")):
        noted = plan_notes.of_plans(client=acme, plans=[small], now=at(f"{now} 12:00"))
        assert noted[small.pk].words == words


def test_the_queries_do_not_grow_with_the_plans(
    acme: Client,
    make_plan: Callable[[str], Plan],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    money.set_seller()
    plans = [make_plan(f"plan-{number}") for number in range(5)]
    for plan in plans:
        money.set_price(plan)
    with django_assert_num_queries(3):
        noted = plan_notes.of_plans(client=acme, plans=plans, now=at("2026-01-05"))
    assert len(noted) == 5


@pytest.fixture
def book(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan, large: Plan
) -> Instance:
    """Runs since New Year at 31.00 a month; the large plan is 62.00."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small, "31.00")
    money.set_price(large, "62.00")
    return money.run_since(order(), "2026-01-01")


def _outlook(book: Instance, plan: Plan, moment: str) -> Outlook | None:
    subscriptions.follow(now=at(moment))
    return plan_changes.outlook(instance=book, plan=plan, now=at(moment))


@pytest.mark.parametrize(
    ("moment", "more"),
    [("2026-01-01 12:00", "31.00"), ("2026-01-22 12:00", "10.00"), ("2026-01-31 12:00", "1.00")],
)
def test_a_change_costs_the_rest_of_the_period_by_days(
    book: Instance, large: Plan, moment: str, more: str
) -> None:
    found = _outlook(book, large, moment)
    assert found == Outlook(
        "EUR", "month", Decimal("31.000"), Decimal("62.000"), Decimal(more), date(2026, 1, 31)
    )


def test_a_smaller_plan_costs_less(book: Instance, small: Plan, large: Plan) -> None:
    Instance.objects.filter(pk=book.pk).update(plan=large)
    book.refresh_from_db()
    subscriptions.follow(now=at("2026-01-22 12:00"))
    found = plan_changes.outlook(instance=book, plan=small, now=at("2026-01-22 12:00"))
    assert found is not None
    assert found.more == Decimal("-10.00")


def test_without_a_price_or_a_subscription_nothing_is_promised(
    book: Instance, make_plan: Callable[[str], Plan], large: Plan
) -> None:
    assert _outlook(book, make_plan("free"), "2026-01-22 12:00") is None
    Instance.objects.filter(pk=book.pk).update(first_running_at=None)
    found = plan_changes.outlook(instance=book, plan=large, now=at("2026-01-22 12:00"))
    assert found is not None


def test_the_change_s_page_says_what_it_comes_to(
    book: Instance, large: Plan, browser: Browser
) -> None:
    subscriptions.follow(now=timezone.now())
    page = _text(browser, f"/c/acme/instances/book/upgrade?version={book.version}&plan=large")
    assert "It costs EUR 62.00 a month instead of EUR 31.00, without VAT." in page
    assert "Changed today, the period that runs until" in page
    as_now = _text(browser, f"/c/acme/instances/book/upgrade?version={book.version}&plan=small")
    assert "It costs EUR" not in as_now


def test_others_prices_are_their_own(book: Instance, large: Plan, other_client: Client) -> None:
    money.set_details(other_client, currency="USD")
    noted = plan_notes.of_plans(client=other_client, plans=[large], now=at("2026-01-05"))
    assert noted[large.pk] == plan_notes.NO_PRICE
    assert Price.objects.count() == 2
