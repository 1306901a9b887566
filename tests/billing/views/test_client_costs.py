"""The page of what all of a client's instances cost in a month."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.test import Client as Browser
from django.utils import timezone

from billing.models import ModelCost, Rate
from hosting.models import Instance
from tenants.models import Role, User
from tests.billing.conftest import Enter
from tests.hosting.views.reading import berlin, count, text

PAGE = "/c/acme/costs/"
FILE = "/c/acme/costs.csv"
Login = Callable[[User | None], Browser]
Order = Callable[..., Instance]


def _today() -> date:
    return berlin(timezone.now()).date()


def _cost(
    instance: Instance, rate: Rate | None, amount: str = "", *, on: date | None = None
) -> None:
    ModelCost.objects.create(
        instance=instance,
        model=rate.model if rate else "new",
        on=on or _today(),
        requests=3,
        input=1,
        output=1,
        cached=0,
        rate=rate,
        currency=rate.currency if rate else "",
        amount=Decimal(amount) if rate else None,
        usage_at=timezone.now(),
    )


def test_each_instance_has_its_cost_and_all_have_their_sum(
    book: Instance, order: Order, enter: Enter, browser: Browser
) -> None:
    rate, dollars = enter(), enter("other", currency="USD")
    gone = order("gone")
    Instance.objects.filter(pk=gone.pk).update(state="deleted", deleted_at=timezone.now())
    _cost(book, rate, "2.344")
    _cost(book, None)
    _cost(book, dollars, "1")
    _cost(gone, rate, "2.344")
    before = _today().replace(day=1) - timedelta(days=1)
    _cost(book, rate, "70", on=before)
    page = text(browser, PAGE)
    assert "book 9 3 without a rate EUR 2.34 and USD 1.00" in page
    assert "gone deleted 3 EUR 2.34" in page
    assert "Together EUR 4.69 and USD 1.00" in page  # the sum is rounded, not the parts
    assert "EUR 70.00" not in page
    assert "Together EUR 70.00" in text(browser, f"{PAGE}?month={before:%Y-%m}")
    assert f'href="{PAGE}"' in browser.get("/c/acme/instances/book/costs/").content.decode()


def test_the_file_has_exact_amounts(book: Instance, enter: Enter, browser: Browser) -> None:
    _cost(book, enter(), "2.344000000001")
    answer = browser.get(FILE)
    assert f'filename="acme-costs-{_today():%Y-%m}.csv"' in answer["Content-Disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (row["instance"], row["requests"]) == ("book", "3")
    assert (row["currency"], row["amount"]) == ("EUR", "2.344000000001")


def test_where_nothing_was_used_it_says_so(book: Instance, browser: Browser) -> None:
    assert "No language model was used" in text(browser, PAGE)
    assert browser.get(PAGE, {"month": "2026-13"}).status_code == 404


def test_it_costs_the_same_with_many_instances(
    book: Instance, order: Order, enter: Enter, browser: Browser
) -> None:
    rate = enter()
    _cost(book, rate, "1")
    browser.get(PAGE)
    few = count(browser, PAGE)
    for number in range(5):
        _cost(order(f"more-{number}"), rate, "1")
    assert count(browser, PAGE) == few


@pytest.mark.parametrize("path", [PAGE, FILE])
def test_only_those_who_may_see_costs_do(
    path: str,
    book: Instance,
    enter: Enter,
    mallory: User,
    member: Callable[[Role], User],
    login: Login,
) -> None:
    _cost(book, enter(), "1")
    assert login(mallory).get(path).status_code == 404
    theirs = login(mallory).get(path.replace("acme", "globex"))
    assert theirs.status_code == 200
    assert "book" not in theirs.content.decode()
    assert login(member(Role.VIEWER)).get(path).status_code == 403
    assert login(member(Role.BILLING)).get(path).status_code == 200
