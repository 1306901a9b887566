"""What an instance costs, what its period has come to and will, and the client's credit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.test import Client as Browser
from django.utils import timezone

from billing.models import CreditEntry
from billing.services import charge_words, outlooks, pricing, subscriptions
from billing.views import invoices, plans
from hosting.catalog.meters import Meter
from hosting.models import Instance, Plan
from tenants.models import Client, Role, User
from tests.billing import money
from tests.billing.money import at
from tests.billing.views.test_invoice_lines import CHARGES, report
from tests.hosting.views.reading import count, text

PAGE = "/c/acme/billing/"
Login = Callable[[User | None], Browser]


@pytest.fixture
def priced(book: Instance, acme: Client, small: Plan, monkeypatch: pytest.MonkeyPatch) -> Instance:
    """30 euros a month and usage, since January; it is noon of the 11th there."""
    monkeypatch.setattr(timezone, "now", lambda: at("2026-01-11 11:00"))
    money.set_seller()
    money.set_details(acme)
    money.set_price(small, charges=CHARGES, setup_fee=Decimal(10))
    money.run_since(book, "2026-01-01")
    report(book, "2026-01-05 12:00", 1050)
    subscriptions.follow(now=at("2026-01-11 11:00"))
    return book


def test_it_says_what_the_plan_costs(priced: Instance, browser: Browser) -> None:
    page = text(browser, PAGE)
    for words in (
        "Price EUR 30.00 a month",
        "and EUR 10.00 once, for the setup",
        "1,000 executions a month are included. Each of the executions above that costs",
        "1 to 500 EUR 2.00 per 100 from 501 on EUR 1.00 per 100",
        "Input tokens EUR 2.50 for each 1,000,000 tokens.",
        "Period 1 Jan to 31 Jan 2026",
        "Next invoice 1 Feb 2026",
    ):
        assert words in page


def test_the_period_is_shown_line_by_line_with_an_outlook(
    priced: Instance, browser: Browser
) -> None:
    page = text(browser, PAGE)
    assert "Executions 1,050 used, 1,000 included, above 0 up to 500 50 EUR 1.00" in page
    assert "Together EUR 41.00" in page
    # 1,050 in 10.5 days are 3,100 in 31: 500 at 2.00 and 1,600 at 1.00 a hundred, 40 besides.
    assert "By its end EUR 66.00 if usage goes on" in page


def test_there_is_no_outlook_before_a_whole_day(
    priced: Instance, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: at("2026-01-01 20:00"))
    assert "By its end Not known yet" in text(browser, PAGE)


def test_a_price_that_comes_is_announced(priced: Instance, small: Plan, browser: Browser) -> None:
    money.set_price(small, "35.00", valid_from=date(2026, 3, 1))
    page = text(browser, PAGE)
    assert "Price EUR 30.00 a month" in page
    assert "EUR 35.00 a month in periods that begin on 1 Mar 2026 or later" in page


def test_a_plan_without_a_price_is_said(priced: Instance, acme: Client, browser: Browser) -> None:
    money.set_details(acme, currency="CHF")
    page = text(browser, PAGE)
    assert "Price None yet" in page
    assert "has no price in CHF a month" in page


def test_credit_has_its_movements(acme: Client, browser: Browser) -> None:
    assert "Credit None There was none." in text(browser, PAGE)
    for number, amount in enumerate(("25.00", "5.00")):
        CreditEntry.objects.create(
            client=acme, kind="granted", currency="EUR", amount=Decimal(amount),
            reason=f"Reason {number}", at=at("2026-01-02") + timedelta(days=number),
        )  # fmt: skip
    page = text(browser, PAGE)
    assert "Credit EUR 30.00" in page
    assert "3 Jan 2026 Granted Reason 1 EUR 5.00 2 Jan 2026 Granted Reason 0 EUR 25.00" in page


def test_nobody_else_sees_it(
    priced: Instance, mallory: User, member: Callable[[Role], User], login: Login
) -> None:
    assert login(mallory).get(PAGE).status_code == 404
    assert "book" not in text(login(mallory), "/c/globex/billing/")
    assert login(member(Role.VIEWER)).get(PAGE).status_code == 403


def test_queries_do_not_grow(
    priced: Instance, order: Callable[..., Instance], browser: Browser
) -> None:
    browser.post(f"{PAGE}budget", {"amount": "100"})
    browser.get(PAGE)
    one = count(browser, PAGE)
    for number in range(3):
        money.run_since(order(name=f"more{number}"), "2026-01-01")
    subscriptions.follow(now=at("2026-01-11 11:00"))
    assert "more2" in text(browser, PAGE)
    assert count(browser, PAGE) == one <= 46


def test_many_instances_come_page_by_page(
    priced: Instance,
    order: Callable[..., Instance],
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plans, "PER_PAGE", 2)
    monkeypatch.setattr(invoices, "RUNNING", 2)
    for number in range(2):
        money.run_since(order(name=f"more{number}"), "2026-01-01")
    subscriptions.follow(now=at("2026-01-11 11:00"))
    first, last = text(browser, PAGE), text(browser, f"{PAGE}?instances=2")
    assert "book" in first
    assert "more0" in first
    assert "more1" not in first
    assert "More instances" in first
    assert "more1" in last
    assert "Instances before" in last
    assert "The first 2 of 3; see all" in text(browser, "/c/acme/invoices/")


@pytest.mark.parametrize(
    ("charge", "said"),
    [
        ({"tiers": [[None, "0.0125"]]}, "EUR 0.0125 for each of the runs."),
        ({"tiers": [[None, "2"]], "included": 5, "per": 10},
         "5 runs a year are included. EUR 2.00 for each 10 runs above that."),
        ({"model": "package", "tiers": [[None, "9"]], "per": 100},
         "EUR 9.00 for each package of 100 runs, for one begun too."),
        ({"model": "volume", "tiers": [[9, "2"], [None, "1"]]},
         "All runs cost what the tier says that the last one lies in."),
    ],
)  # fmt: skip
def test_charges_in_words(charge: dict[str, object], said: str) -> None:
    found = pricing.charge_of(charge)
    assert charge_words.sentence(found, unit="runs", currency="EUR", interval="year") == said


def test_a_largest_value_does_not_grow() -> None:
    meter = Meter(title="Seats", unit="seats", aggregation="max")
    gone = timedelta(days=10)
    assert outlooks._projected(Decimal(7), meter, gone=gone, days=30) == 7
    assert outlooks._projected(Decimal(7), None, gone=gone, days=30) == 21
    assert outlooks._projected(Decimal(7), None, gone=timedelta(days=30), days=30) == 7


def test_a_budget_is_set_shown_and_removed(priced: Instance, browser: Browser) -> None:
    answer = browser.post(f"{PAGE}budget", {"amount": "100.00"}, follow=True)
    assert "You are told at 50, 80 and 100 %." in answer.content.decode()
    page = text(browser, PAGE)
    assert "Budget EUR 100.00 a month" in page
    assert "EUR 41.00 spent so far, 41 % of it" in page
    assert 'value="100"' in browser.get(PAGE).content.decode()
    browser.post(f"{PAGE}budget", {"amount": ""})
    assert "spent so far" not in text(browser, PAGE)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("a lot", "Write a number such as 250 or 99.50."), ("-1", "Write an amount above 0 as EUR")],
)
def test_what_is_no_budget_is_said_at_the_field(
    priced: Instance, browser: Browser, typed: str, sentence: str
) -> None:
    answer = browser.post(f"{PAGE}budget", {"amount": typed})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert f'value="{typed}"' in answer.content.decode()


@pytest.mark.parametrize(("role", "status"), [(Role.BILLING, 302), (Role.VIEWER, 403)])
def test_who_looks_after_bills_sets_it(
    priced: Instance, login: Login, member: Callable[[Role], User], role: Role, status: int
) -> None:
    assert login(member(role)).post(f"{PAGE}budget", {"amount": "5"}).status_code == status


def test_nobody_sets_anothers(priced: Instance, other_client: Client, browser: Browser) -> None:
    path = f"/c/{other_client.slug}/billing/budget"
    assert browser.post(path, {"amount": "5"}).status_code == 404
