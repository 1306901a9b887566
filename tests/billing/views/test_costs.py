"""The page of an instance's costs, its part on the usage page, its files and charts."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.test import Client as Browser
from django.utils import timezone

from billing.models import ModelCost
from billing.services.metering import budgets
from hosting.models import Instance, Plan, UsageSum
from tenants.models import Role, User
from tenants.services.actors import Actor
from tests.billing.conftest import Enter
from tests.billing.views.conftest import Spend
from tests.hosting.views.reading import berlin, count, plain

USAGE = "/c/acme/instances/book/usage/"
PAGE = "/c/acme/instances/book/costs/"
FILE = "/c/acme/instances/book/costs.csv"
PART = {"HX-Request": "true"}
Login = Callable[[User | None], Browser]
OLD = {"starts_on": date(2025, 1, 1)}
EACH = Decimal("2.3")  # 500,000 input at 2, as many from the cache at 1, 100,000 output at 8


def _read(browser: Browser, path: str = PAGE) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200
    return plain(answer.content.decode())


def _this_month() -> date:
    return berlin(timezone.now()).date().replace(day=1)


def _cost(book: Instance, on: date, model: str = "gpt-4o", amount: str = "1") -> None:
    rate = ModelCost.objects.exclude(rate=None)[0].rate
    ModelCost.objects.create(
        instance=book,
        model=model,
        on=on,
        requests=1,
        input=10,
        output=1,
        cached=0,
        rate=rate,
        currency="EUR",
        amount=Decimal(amount),
        usage_at=timezone.now(),
    )


def test_it_says_what_it_costs_and_what_that_is_made_of(
    browser: Browser, enter: Enter, spend: Spend
) -> None:
    enter(**OLD)
    enter("dear", **OLD, input=Decimal(20))
    for model in ("gpt-4o", "dear", "new"):
        spend(model)
    text = _read(browser)
    assert "Cost so far EUR 13.60" in text
    assert "dear 1 1,000,000 tokens EUR 10.00 500,000 tokens EUR 0.50" in text
    assert "100,000 tokens EUR 0.80 EUR 11.30 83 %" in text
    assert "EUR 2.30 17 %" in text
    assert text.index("dear") < text.index("gpt-4o") < text.index("No rate yet")
    assert "Without 1 request of models that have no rate yet." in text


def test_the_forecast_stands_beside_the_budget(
    browser: Browser, book: Instance, small: Plan, enter: Enter, spend: Spend, actor: Actor
) -> None:
    enter(**OLD)
    Instance.objects.update(first_running_at=timezone.now())
    spend()
    assert "By the end of the month Not known yet" in _read(browser)
    Instance.objects.update(first_running_at=timezone.now() - timedelta(days=30))
    for ago in range(1, 8):
        spend(ago=ago)
    budgets.set_budget(plan=small, amount=Decimal(1), currency="EUR", actor=actor)
    text = _read(browser)
    assert re.search(r"By the end of the month EUR \d+\.\d\d", text)
    assert "% of the EUR 1.00 that plan Small allows a month" in text
    assert "More than is allowed." in text
    budgets.set_budget(plan=small, amount=Decimal(10_000), currency="EUR", actor=actor)
    assert "More than is allowed." not in _read(browser)


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (1, "Not known yet after its first whole day"),
        (2, "at what its only whole day cost"),
        (4, "at the average of the last 3 days"),
        (30, "at the average of the last 7 days"),
    ],
)
def test_the_forecast_says_of_how_many_days_it_is(
    ago: int, said: str, browser: Browser, book: Instance
) -> None:
    Instance.objects.update(first_running_at=timezone.now() - timedelta(days=ago))
    assert said in _read(browser)


def test_a_past_month_is_a_page_without_a_forecast(
    browser: Browser, book: Instance, enter: Enter, spend: Spend
) -> None:
    enter(**OLD)
    spend()
    before = (_this_month() - timedelta(days=1)).replace(day=1)
    _cost(book, before, amount="7.125")
    text = _read(browser)
    assert f"{before:%B %Y} 1 EUR 7.13" in text
    past = _read(browser, f"{PAGE}?month={before:%Y-%m}")
    assert "Cost EUR 7.13" in past
    assert "By the end of the month" not in past


def test_the_part_is_as_high_without_a_model_as_with_one(browser: Browser, book: Instance) -> None:
    """It says so where the models would be, and not on a line of its own."""
    part = browser.get(PAGE, headers={"HX-Request": "true"}).content.decode()
    assert "Made of No language model yet" in plain(part)
    assert part.rindex("No language model") < part.rindex("</dl>")


def test_where_nothing_was_used_it_says_so(browser: Browser, book: Instance) -> None:
    text = _read(browser)
    assert "Cost so far EUR 0.00" in text
    assert "No language model was used" in text
    assert "Nothing was measured in this time." in text


def test_other_meters_are_in_the_price_of_the_plan(browser: Browser, book: Instance) -> None:
    Plan.objects.update(included_executions=1000)
    now = timezone.now()
    UsageSum.objects.create(
        instance=book,
        span="month",
        on=_this_month(),
        meter="executions",
        label="success",
        total=Decimal(40),
        count=40,
        maximum=1,
        latest_at=now,
        computed_at=now,
    )
    assert "Executions, success 40 executions of 1,000 included" in _read(browser)


def test_the_usage_page_has_a_place_for_it_and_its_charts(
    browser: Browser, enter: Enter, spend: Spend
) -> None:
    enter(**OLD)
    page = browser.get(USAGE).content.decode()
    assert f'hx-get="{PAGE}"' in page
    for slug in ("cost", "model-requests"):
        assert f'hx-get="{USAGE}{slug}?span=day"' in page
    spend()
    part = browser.get(PAGE, headers=PART).content.decode()
    assert "Cost so far EUR 2.30" in plain(part)
    assert "Made of gpt-4o 100 %" in plain(part)
    assert "<html" not in part
    assert f'href="{PAGE}"' in part


@pytest.mark.parametrize("span", ["hour", "day", "week", "month", "year"])
def test_the_charts_show_each_span_by_model(
    span: str, browser: Browser, enter: Enter, spend: Spend
) -> None:
    enter(**OLD)
    enter("other", **OLD, currency="USD")
    for model in ("gpt-4o", "gpt-4o", "other", "new"):
        spend(model)
    cost = browser.get(f"{USAGE}cost?span={span}").content.decode()
    assert "gpt-4o <strong>EUR 4.60</strong>" in cost
    assert "What was spent in USD is in the costs, not in this chart." in cost
    assert "Without 1 request of models that have no rate yet." in cost
    requests = browser.get(f"{USAGE}model-requests?span={span}").content.decode()
    assert "gpt-4o <strong>2</strong>" in requests
    assert "new <strong>1</strong>" in requests


def test_more_models_than_can_be_told_apart_are_put_together(
    browser: Browser, enter: Enter, spend: Spend
) -> None:
    for number in range(6):
        enter(f"model-{number}", **OLD, input=Decimal(10 + number))
        spend(f"model-{number}")
    chart = browser.get(f"{USAGE}cost?span=month").content.decode()
    assert "Other models" in chart
    assert chart.count("<li>") == 4
    assert "model-5" in chart
    assert "model-0" not in chart


def test_the_files_have_exact_amounts_by_day_and_by_month(
    browser: Browser, book: Instance, enter: Enter, spend: Spend
) -> None:
    enter(**OLD, input=Decimal("0.000001"), output=Decimal(0), cached=Decimal(0))
    spend()
    spend("new")
    answer = browser.get(FILE)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="book-costs-{_this_month():%Y-%m}.csv"' in answer["Content-Disposition"]
    first, second = csv.DictReader(io.StringIO(answer.content.decode()))
    today = str(berlin(timezone.now()).date())
    assert (first["begin"], first["model"]) == (today, "gpt-4o")
    assert (first["currency"], first["amount"]) == ("EUR", "0.0000005")
    assert (second["amount"], second["requests_without_rate"]) == ("", "1")
    months = list(csv.DictReader(io.StringIO(browser.get(f"{FILE}?by=month").content.decode())))
    assert months[0]["begin"] == str(_this_month())


@pytest.mark.parametrize("month", ["2026-13", "x", "9999-01", "0001-01", "2026-01-01", "<b>"])
def test_a_month_that_is_none_is_not_there(month: str, browser: Browser, book: Instance) -> None:
    for path in (PAGE, FILE):
        assert browser.get(path, {"month": month}).status_code == 404


@pytest.mark.parametrize("path", [PAGE, FILE, f"{USAGE}cost", f"{USAGE}cost.csv"])
def test_costs_are_for_those_who_may_see_them(
    path: str,
    book: Instance,
    mallory: User,
    member: Callable[[Role], User],
    login: Login,
) -> None:
    assert login(mallory).get(path).status_code == 404
    assert login(mallory).get(path.replace("acme", "globex")).status_code == 404
    refused = 404 if path.startswith(USAGE) else 403
    viewer = login(member(Role.VIEWER))
    assert viewer.get(path).status_code == refused
    assert PAGE not in viewer.get(USAGE).content.decode()
    assert login(member(Role.BILLING)).get(path).status_code == 200


def test_the_page_costs_the_same_with_many_models_and_days(
    browser: Browser, book: Instance, enter: Enter, spend: Spend
) -> None:
    enter(**OLD)
    spend()
    browser.get(USAGE)
    counted = []
    for prefix in "ab":
        counted.append(count(browser, PAGE))
        for model in range(9):
            for back in range(1, 9):
                _cost(book, _this_month() - timedelta(days=20 * back), f"{prefix}-{model}")
    assert counted[0] == counted[1]
    assert counted[0] <= 20


@pytest.mark.parametrize("span", ["day", "year"])
def test_a_chart_costs_the_same_with_many_models(
    span: str, browser: Browser, enter: Enter, spend: Spend
) -> None:
    enter(**OLD)
    spend()
    browser.get(USAGE)
    few = count(browser, f"{USAGE}cost?span={span}")
    for number in range(6):
        spend(f"model-{number}")
    assert count(browser, f"{USAGE}cost?span={span}") == few <= 13
