"""What clients and instances bring beside what they cost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.models import Invoice, ModelCost, Seller, ServerCost
from billing.services.invoicing import credit_notes, runs
from billing.services.reporting import margins, server_costs
from hosting.models import Instance, Plan, Server
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing import money
from tests.billing.conftest import Enter
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")
MARCH = date(2026, 3, 1)


def set_cost(server: Server, amount: str, **more: Any) -> ServerCost:
    fields = {
        "server": server,
        "valid_from": date(2026, 1, 1),
        "currency": "EUR",
        "amount": Decimal(amount),
        "cpu_weight": 40,
        "memory_weight": 40,
        "disk_weight": 20,
    }
    return server_costs.set_cost(actor=ACTOR, fields={**fields, **more})  # type: ignore[typeddict-item]


@pytest.fixture
def used(
    order: Callable[..., Instance],
    memory_server: Server,
    acme: Client,
    other_client: Client,
    small: Plan,
) -> dict[str, Instance]:
    """Acme's two by the month, Globex's one by the quarter; all since January."""
    money.set_seller(timezone="Europe/Berlin")
    money.set_details(acme)
    money.set_details(other_client, interval="quarter")
    money.set_price(small)
    money.set_price(small, "90.00", interval="quarter")
    found = {
        "book": money.run_since(order(), "2026-01-01"),
        "shop": money.run_since(order("shop"), "2026-01-01"),
        "globex": money.run_since(order("globex", client=other_client), "2026-01-01"),
    }
    Instance.objects.update(created_at=at("2026-01-01"))
    runs.bill_due(now=at("2026-04-02"))
    return found


def said(month: date = MARCH) -> list[tuple[str, ...]]:
    return [
        (
            each.instance,
            each.currency,
            f"{each.revenue:.2f}",
            f"{each.server_cost:.2f}",
            f"{each.model_cost:.2f}",
        )
        for each in margins.of_month(month, zone=BERLIN).instances
    ]


def test_revenue_is_of_the_days_and_cost_of_what_is_reserved(
    used: dict[str, Instance], memory_server: Server
) -> None:
    set_cost(memory_server, "160.00")
    # Of 16 CPUs, 16 GiB and 500 GB each has 1, 512 MiB and 5: 4.00 + 2.00 + 0.32
    assert sorted(said()) == [
        ("book", "EUR", "30.00", "6.32", "0.00"),
        ("globex", "EUR", "31.00", "6.32", "0.00"),  # 31 of 90 days
        ("shop", "EUR", "30.00", "6.32", "0.00"),
    ]
    report = margins.of_month(MARCH, zone=BERLIN)
    (server,) = report.servers
    assert (server.cost, server.unused) == (Decimal("160.00"), Decimal("141.04"))
    clients = {each.client: each for each in report.clients()}
    assert clients["Acme"].margin == Decimal("47.36")
    assert f"{clients['Acme'].percent:.1f}" == "78.9"


def test_the_months_of_a_quarter_are_its_line(used: dict[str, Instance]) -> None:
    sums = [
        {row[0]: Decimal(row[2]) for row in said(date(2026, month, 1))}["globex"]
        for month in (1, 2, 3)
    ]
    assert sums == [Decimal("31.00"), Decimal("28.00"), Decimal("31.00")]


def test_what_is_credited_is_no_revenue(used: dict[str, Instance], acme: Client) -> None:
    invoice = Invoice.objects.get(client=acme, first_day=MARCH)
    credit_notes.issue(invoice=invoice, reason="x", actor=ACTOR, now=at("2026-06-01"))
    assert ("book", "EUR", "0.00", "0.00", "0.00") in said()


def test_what_cost_is_missing_is_said(used: dict[str, Instance], memory_server: Server) -> None:
    assert margins.of_month(MARCH, zone=BERLIN).without_cost == ["memory"]
    set_cost(memory_server, "160.00", valid_from=date(2026, 4, 1))
    assert margins.of_month(MARCH, zone=BERLIN).without_cost == ["memory"]
    assert margins.of_month(date(2026, 4, 1), zone=BERLIN).without_cost == []


def test_another_currency_is_not_converted(
    used: dict[str, Instance], memory_server: Server
) -> None:
    set_cost(memory_server, "160.00", currency="USD")
    assert ("book", "EUR", "30.00", "0.00", "0.00") in said()
    assert ("book", "USD", "0.00", "6.32", "0.00") in said()


def test_what_is_gone_costs_nothing_from_that_day_on(
    used: dict[str, Instance], memory_server: Server
) -> None:
    set_cost(memory_server, "310.00")
    Instance.objects.filter(pk=used["shop"].pk).update(
        state="deleted",
        deleted_at=at("2026-03-10 23:30"),  # the 11th in Berlin
    )
    rows = {row[0]: Decimal(row[3]) for row in said()}
    exact = {"book": "12.245", "globex": "12.245", "shop": "3.95"}  # of 31 days ten
    assert all(abs(rows[name] - Decimal(cost)) <= Decimal("0.01") for name, cost in exact.items())
    assert sum(rows.values()) == Decimal("28.44")


def test_language_models_count_where_the_seller_bears_them(
    used: dict[str, Instance], enter: Enter
) -> None:
    ModelCost.objects.create(
        instance=used["book"], model="gpt-4o", on=date(2026, 3, 5), requests=1, input=1, output=1,
        cached=0, rate=enter(), currency="EUR", amount=Decimal("2.005"), usage_at=at("2026-03-06"),
    )  # fmt: skip
    assert ("book", "EUR", "30.00", "0.00", "0.00") in said()
    Seller.objects.update(bears_model_costs=True)
    assert ("book", "EUR", "30.00", "0.00", "2.01") in said()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cpu_weight": 50}, "cpu_weight"),
        ({"amount": Decimal("-1")}, "amount"),
        ({"amount": Decimal("1.005")}, "amount"),
        ({"currency": "euro"}, "currency"),
    ],
)
def test_a_cost_that_can_t_be_is_refused_at_its_field(
    memory_server: Server, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refused) as refused:
        set_cost(memory_server, **{"amount": "100.00", **fields})
    assert refused.value.field == field
    assert not ServerCost.objects.exists()


def test_a_cost_is_corrected_and_remembered(memory_server: Server) -> None:
    row = set_cost(memory_server, "100.00")
    with pytest.raises(Refused, match="has a cost from that day on already"):
        set_cost(memory_server, "120.00")
    server_costs.set_cost(actor=ACTOR, fields={"amount": Decimal("110.00")}, row=row)
    event = AuditEvent.objects.filter(action="server_cost.set").latest("sequence")
    assert (event.before["amount"], event.after["amount"]) == ("100.00", "110.00")


def test_many_take_no_more_queries_than_one(
    used: dict[str, Instance],
    memory_server: Server,
    django_assert_max_num_queries: Callable[[int], object],
) -> None:
    set_cost(memory_server, "160.00")
    with django_assert_max_num_queries(8):  # type: ignore[attr-defined]
        margins.of_month(MARCH, zone=BERLIN)
