"""The lowest margins are kept, and whatever changes one is seen at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from billing.models import Invoice, ModelCost, Seller, ServerCost, Span
from billing.services.invoicing import credit_notes, runs
from billing.services.reporting import lowest_margins, server_costs
from billing.services.reporting.lowest_margins import Lowest
from hosting.models import Instance, Plan, Server
from tenants.models import Client
from tests.billing import money
from tests.billing.conftest import Enter
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")
MARCH = date(2026, 3, 1)


@pytest.fixture
def march(
    order: Callable[..., Instance],
    memory_server: Server,
    acme: Client,
    small: Plan,
    make_plan: Callable[[str], Plan],
    enter: Enter,
) -> Instance:
    """Acme's two of March, of which one also used a language model; its invoice is out."""
    make_plan("large")
    Plan.objects.filter(slug="large").update(cpus=4)
    money.set_seller(timezone="Europe/Berlin", bears_model_costs=True)
    money.set_details(acme)
    money.set_price(small)
    instance = money.run_since(order(), "2026-01-01")
    money.run_since(order("shop"), "2026-01-01")
    Instance.objects.update(created_at=at("2026-01-01"))
    runs.bill_due(now=at("2026-03-02"))
    ModelCost.objects.create(
        instance=instance, model="gpt-4o", on=date(2026, 3, 5), requests=1, input=1, output=1,
        cached=0, rate=enter(), currency="EUR", amount=Decimal("2.00"), usage_at=at("2026-03-06"),
    )  # fmt: skip
    set_cost(memory_server)
    return instance


def set_cost(server: Server, amount: str = "160.00", **more: Any) -> None:
    fields: dict[str, Any] = {
        "server": server,
        "valid_from": date(2026, 1, 1),
        "currency": "EUR",
        "amount": Decimal(amount),
        "cpu_weight": 40,
        "memory_weight": 40,
        "disk_weight": 20,
        **more,
    }
    row = ServerCost.objects.filter(server=server, valid_from=fields["valid_from"]).first()
    server_costs.set_cost(actor=ACTOR, fields=fields, row=row)  # type: ignore[arg-type]


def asked(month: date = MARCH) -> Lowest:
    return lowest_margins.of_month(month, zone=BERLIN)


def invoice() -> None:
    runs.bill_due(now=at("2026-04-02"))


def credit() -> None:
    last = Invoice.objects.filter(kind="invoice", last_day__gte=MARCH).latest("sequence")
    credit_notes.issue(invoice=last, reason="x", actor=ACTOR, now=at("2026-04-03"))


CHANGES: dict[str, Callable[[], object]] = {
    "an invoice": invoice,
    "a server's cost": lambda: set_cost(Server.objects.get(), "320.00"),
    "its weights": lambda: set_cost(Server.objects.get(), cpu_weight=60, disk_weight=0),
    "a cost from a day on": lambda: set_cost(Server.objects.get(), "9.00", valid_from=MARCH),
    "a server's size": lambda: Server.objects.update(cpus=32),
    "a server's name": lambda: Server.objects.update(name="renamed"),
    "a plan's size": lambda: Plan.objects.filter(slug="small").update(memory_mb=1024),
    "a change of plan": lambda: Span.objects.update(plan=Plan.objects.get(slug="large")),
    "an instance's name": lambda: Instance.objects.filter(name="shop").update(name="renamed"),
    "an instance that is gone": lambda: Instance.objects.filter(name="shop").update(
        state="deleted", deleted_at=at("2026-03-10")
    ),
    "an instance that came later": lambda: Instance.objects.filter(name="shop").update(
        created_at=at("2026-03-10")
    ),
    "a client's name": lambda: Client.objects.filter(name="Acme").update(name="Renamed"),
    "what a model cost": lambda: ModelCost.objects.update(amount=Decimal("3.00")),
    "a model cost of another day": lambda: ModelCost.objects.update(on=date(2026, 4, 5)),
    "who bears model costs": lambda: Seller.objects.update(bears_model_costs=False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_at_once(march: Instance, settings: Settings, change: str) -> None:
    is_seen_at_once(CHANGES[change], settings)


def test_a_credit_note_is_seen_at_once(march: Instance, settings: Settings) -> None:
    invoice()
    is_seen_at_once(credit, settings)


def is_seen_at_once(change: Callable[[], object], settings: Settings) -> None:
    before = asked()
    assert asked() == before
    change()
    after = asked()
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert asked() == after != before


def test_what_was_kept_takes_one_query(
    march: Instance, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    before = asked()
    with django_assert_num_queries(1):
        assert asked() == before


def test_each_month_and_client_has_its_own(march: Instance, other_client: Client) -> None:
    assert [each.instance for each in asked().instances] == ["book", "shop"]
    assert asked(date(2025, 3, 1)).instances == []
    nobody = lowest_margins.of_month(MARCH, zone=BERLIN, client=other_client.pk)
    assert nobody.instances == []
    assert len(lowest_margins.of_month(MARCH, zone=BERLIN, client=march.client_id).instances) == 2
