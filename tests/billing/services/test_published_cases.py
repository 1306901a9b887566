"""The pure rules against what other billing systems say that they would charge.

Each case has the address of the page that it is from. Fees of a whole tier, which Berth does not
have, are left out of the published amounts.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.services import periods, pricing, proration, statement
from billing.services.periods import Anchor, Days, Interval
from billing.services.statement import Spell, Terms

AUTUMN = "https://docs.useautumn.com/documentation/modelling-pricing/"
CHARGEBEE = "https://www.chargebee.com/docs/billing/2.0/product-catalog/package-pricing"
LAGO = "https://getlago.com/docs/guide/"
MONK = "https://docs.monk.com/concepts/pricing"
OPENMETER = "https://openmeter.io/docs/billing/product-catalog/pricing-models"
STRIPE = "https://docs.stripe.com/billing/subscriptions/"
ZUPLO = "https://zuplo.com/docs/articles/monetization/pricing-models"  # which meters by OpenMeter

PENNIES = [[1000, "0.01"], [10_000, "0.008"], [None, "0.005"]]
DIMES = [[1000, "0.10"], [10_000, "0.05"], [None, "0.01"]]
CALLS = [[10_000, "0.0010"], [50_000, "0.0008"], [100_000, "0.0006"], [None, "0.0004"]]
DISCOUNTED = [[1000, "0.10"], [10_000, "0.08"], [None, "0.05"]]


def charge(model: str, tiers: Any, **more: Any) -> dict[str, Any]:
    return {"model": model, "tiers": tiers, **more}


TOKENS = charge("package", [[None, "1.25"]], per=1_000_000)
CALLS_OF_100 = charge("package", [[None, "5"]], per=100, included=100)


@pytest.mark.parametrize(
    ("source", "data", "used", "amount"),
    [
        (OPENMETER, charge("standard", [[None, "0.01"]]), 10_000, "100.00"),
        (ZUPLO, charge("standard", [[None, "0.001"]]), 100_000, "100.00"),
        (ZUPLO, charge("graduated", DIMES), 15_000, "600.00"),
        (ZUPLO, charge("volume", DIMES), 15_000, "150.00"),
        (f"{AUTUMN}graduated-pricing", charge("graduated", PENNIES), 15_000, "107.00"),
        (f"{LAGO}plans/charges/charge-models/volume", charge("volume", CALLS), 65_000, "39.00"),
        (f"{LAGO}plans/charges/charge-models/package", CALLS_OF_100, 201, "10.00"),
        (CHARGEBEE, TOKENS, 10, "1.25"),
        (CHARGEBEE, TOKENS, 1_000_000, "1.25"),
        (CHARGEBEE, TOKENS, 1_500_000, "2.50"),
        (MONK, charge("standard", [[None, "0.10"]]), 1000, "100.00"),
        (MONK, charge("graduated", DISCOUNTED), 5000, "420.00"),
        (MONK, charge("package", [[None, "50"]], per=1000), 1000, "50.00"),
        (MONK, charge("package", [[None, "50"]], per=1000), 1001, "100.00"),
        (MONK, charge("package", [[None, "50"]], per=1000), 5500, "300.00"),
    ],
)
def test_usage_costs_what_they_publish(
    source: str, data: dict[str, Any], used: int, amount: str
) -> None:
    found = pricing.rate(pricing.charge_of(data), used=Decimal(used), exponent=2)
    assert pricing.total(found) == Decimal(amount), source


@pytest.mark.parametrize(
    ("source", "old", "new", "begins", "changes", "more"),
    [
        # Half of a month of 30 days: 5 more than the old plan alone, and 15 more.
        (f"{STRIPE}prorations", "10", "20", "2026-04-01", "2026-04-16", "5.00"),
        (f"{AUTUMN}proration", "20", "50", "2026-04-01", "2026-04-16", "15.00"),
        # The other way round what is not used is given back.
        (f"{STRIPE}prorations", "20", "10", "2026-04-01", "2026-04-16", "-5.00"),
    ],
)
def test_a_change_of_plan_costs_what_they_publish(
    source: str, old: str, new: str, begins: str, changes: str, more: str
) -> None:
    month = periods.period_at(
        date.fromisoformat(begins), anchor=date.fromisoformat(begins), interval=Interval.MONTH
    )
    prices = {"old": Terms("old", "Old", Decimal(old)), "new": Terms("new", "New", Decimal(new))}
    changed = date.fromisoformat(changes)
    parts = statement.stretches(
        [Spell("old", month.first, changed), Spell("new", changed, None)],
        billed=month,
        charged_from=month.first,
        charges_suspended=False,
        price_on=lambda plan, _: prices[plan],
    )
    total = sum(item.net for item in statement.recurring(parts, whole=month, exponent=2))
    assert total - Decimal(old) == Decimal(more), source


@pytest.mark.parametrize(
    ("source", "amount", "days", "of", "charged"),
    [
        # Used from 1 to 14 January, changed on the 15th.
        (f"{LAGO}subscriptions/upgrades-downgrades", "100", 14, 31, "45.16"),
    ],
)
def test_a_part_of_a_month_costs_what_they_publish(
    source: str, amount: str, days: int, of: int, charged: str
) -> None:
    found = proration.portion(Decimal(amount), days=days, of=of, exponent=2)
    assert found == Decimal(charged), source


@pytest.mark.parametrize(
    ("source", "first", "begins"),
    [
        (
            f"{STRIPE}billing-cycle",
            "2026-01-31",
            ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"],
        ),
        (
            f"{STRIPE}billing-cycle",
            "2028-01-31",
            ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"],
        ),
        (f"{STRIPE}billing-cycle", "2026-09-02", ["2026-09-02", "2026-10-02", "2026-11-02"]),
    ],
)
def test_periods_begin_when_they_publish(source: str, first: str, begins: list[str]) -> None:
    day = date.fromisoformat(first)
    anchor = periods.anchor_of(Anchor.ANNIVERSARY, interval=Interval.MONTH, first=day)
    until = date.fromisoformat(begins[-1]) + timedelta(days=40)
    found: list[Days] = list(
        periods.periods_until(until, since=day, anchor=anchor, interval=Interval.MONTH)
    )
    assert [str(each.first) for each in found][: len(begins)] == begins, source
