"""What the fleet's page shows of costs: the instances that cost most, in each currency."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.test import Client as Browser
from pytest_django import DjangoAssertNumQueries

from billing.models import ModelCost, Rate
from billing.views.in_hosting import dearest
from hosting import hooks
from hosting.models import Instance
from tests.billing.conftest import Enter
from tests.hosting.admin.conftest import root, staff  # noqa: F401  (fixtures)

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def _spent(instance: Instance, rate: Rate, amount: str, *, ago: int = 1) -> None:
    ModelCost.objects.create(
        instance=instance,
        model=rate.model,
        on=NOW.date() - ago * DAY,
        requests=1,
        input=1,
        output=1,
        cached=0,
        rate=rate,
        currency=rate.currency,
        amount=Decimal(amount),
        usage_at=NOW,
    )


def test_the_ten_that_cost_most_lately_stand_first(
    book: Instance,
    order: Callable[..., Instance],
    enter: Enter,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    rate, other = enter(), enter("other", currency="USD")
    many = [order(f"more-{number}") for number in range(11)]
    for number, each in enumerate(many):
        _spent(each, rate, str(number))
    _spent(book, rate, "5")
    _spent(book, rate, "5.555", ago=0)
    _spent(many[0], rate, "1000", ago=2)
    _spent(many[1], other, "3")
    with django_assert_num_queries(2):
        euros, dollars = dearest(now=NOW)
    assert euros.title == "Cost of language models since yesterday, EUR"
    assert [each.said for each in euros.rows[:2]] == ["EUR 10.56", "EUR 10.00"]
    assert [each.instance for each in euros.rows[:2]] == [book, many[10]]
    assert len(euros.rows) == 10
    assert [(each.instance, each.said) for each in dollars.rows] == [(many[1], "USD 3.00")]


def test_where_nothing_was_spent_the_table_is_empty(db: None) -> None:
    (ranking,) = dearest(now=NOW)
    assert not ranking.rows
    assert ranking.title == "Cost of language models since yesterday"


def test_it_is_on_the_fleets_page(root: Browser) -> None:  # noqa: F811
    assert ("billing.view_modelcost", dearest) in hooks.fleet_readings()
    page = root.get("/admin/hosting/instance/fleet/").content.decode()
    assert "Most: Cost of language models since yesterday" in page
