from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing.models import Price
from billing.services import prices
from hosting.models import Plan
from tenants.errors import Refused
from tenants.models import AuditEvent
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
NOW = at("2026-03-10 12:00")


def test_a_price_is_kept_and_audited(small: Plan) -> None:
    charge = {"meter": "executions", "tiers": [[None, "0.10"]], "per": 100}
    price = money.set_price(small, "30.00", currency="eur", charges=[charge])
    assert Price.objects.get() == price
    assert price.currency == "EUR"
    event = AuditEvent.objects.get(action="price.created")
    assert (event.after["amount"], event.after["charges"]) == ("30.00", [charge])


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"amount": Decimal("-1")}, "amount"),
        ({"amount": Decimal("1.001")}, "amount"),
        ({"currency": "JPY", "amount": Decimal("1.5")}, "amount"),
        ({"setup_fee": Decimal("0.001")}, "setup_fee"),
        ({"currency": "Euro"}, "currency"),
        ({"interval": "week"}, "interval"),
        ({"trial_days": 366}, "trial_days"),
        ({"charges": {}}, "charges"),
        ({"charges": [1]}, "charges"),
        ({"charges": [{"tiers": [[None, 1]]}]}, "charges"),
        ({"charges": [{"meter": "a", "tiers": [[None, -1]]}]}, "charges"),
        ({"charges": [{"meter": "a", "tiers": [[None, 1]], "price": 1}]}, "charges"),
        ({"charges": [{"meter": "a", "tiers": [[None, 1]]}] * 2}, "charges"),
    ],
)
def test_a_bad_price_is_refused_at_its_field(small: Plan, more: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        money.set_price(small, **more)
    assert refused.value.field == field
    assert not Price.objects.exists()


@pytest.mark.parametrize("day", ["2026-01-02", "2026-03-10", "2026-03-11"])
def test_no_price_begins_in_a_period_that_may_run(small: Plan, day: str) -> None:
    money.set_price(small)
    with pytest.raises(Refused, match="choose a day after tomorrow") as refused:
        money.set_price(small, "40.00", valid_from=date.fromisoformat(day), now=NOW)
    assert refused.value.field == "valid_from"


def test_the_next_version_begins_later(small: Plan) -> None:
    money.set_price(small)
    later = money.set_price(small, "40.00", valid_from=date(2026, 3, 12), now=NOW)
    with pytest.raises(Refused, match="from that day on already"):
        money.set_price(small, "50.00", valid_from=date(2026, 3, 12), now=NOW)
    prices.withdraw(price=later, actor=ACTOR, now=NOW)
    assert Price.objects.count() == 1


def test_days_without_a_price_can_get_one(small: Plan) -> None:
    money.set_price(small)
    money.set_price(small, "20.00", valid_from=date(2025, 1, 1), now=NOW)
    assert Price.objects.count() == 2


def test_other_currencies_and_intervals_are_prices_of_their_own(small: Plan) -> None:
    money.set_price(small)
    money.set_price(small, "33.00", currency="USD", now=NOW)
    money.set_price(small, "300.00", interval="year", now=NOW)
    assert Price.objects.count() == 3


def test_a_price_that_has_begun_stays(small: Plan) -> None:
    price = money.set_price(small)
    with pytest.raises(Refused, match="it stays"):
        prices.withdraw(price=price, actor=ACTOR, now=NOW)
