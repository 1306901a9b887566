"""An instance whose app reports tokens, and rates for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from billing.models import Rate
from billing.services.metering import rates
from hosting.models import Instance, Plan, Server
from hosting.services.measuring import usage_events, usage_sums
from hosting.services.measuring.usage_checks import Usage
from tenants.models import Client
from tenants.services import clients
from tenants.services.actors import Actor

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
Use = Callable[..., None]
Enter = Callable[..., Rate]
_numbers = count()


@pytest.fixture
def book(order: Callable[..., Instance], memory_server: Server) -> Instance:
    return order()


@pytest.fixture
def use(book: Instance) -> Use:
    """Report and sum up tokens: of a model, on a day of March, by an instance."""
    calls = count(1)

    def report(
        model: str = "gpt-4o",
        *,
        day: int = 10,
        given: int = 1_000_000,
        answered: int = 0,
        cached: int = 0,
        instance: Instance = book,
    ) -> None:
        told = Usage(
            at=datetime(2026, 3, day, 12, tzinfo=UTC),
            meter="llm",
            label=model,
            amount=1,
            key="",
            is_level=False,
            input=given,
            output=answered,
            cached=cached,
            source="test",
            event_id=str(next(_numbers)),
        )
        usage_events.write(instance_id=instance.pk, usages=[told], now=NOW)
        usage_sums.sum_up(now=NOW + timedelta(seconds=next(calls)))

    return report


@pytest.fixture
def enter(actor: Actor) -> Enter:
    """Enter a rate: 2 euros a million tokens given, 8 answered, 1 cached, from March on."""

    def create(model: str = "gpt-4o", **more: Any) -> Rate:
        fields = {
            "model": model,
            "starts_on": date(2026, 3, 1),
            "currency": "EUR",
            "input": Decimal(2),
            "output": Decimal(8),
            "cached": Decimal(1),
        }
        return rates.create(actor=actor, fields={**fields, **more})  # type: ignore[typeddict-item]

    return create


@pytest.fixture
def make_plan(db: None) -> Callable[[str], Plan]:
    """A plan of that short name."""

    def make(slug: str) -> Plan:
        return Plan.objects.create(
            slug=slug, name=slug.title(), cpus=Decimal(1), memory_mb=512, disk_gb=5, processes=256
        )

    return make


@pytest.fixture
def other_client(db: None, actor: Actor) -> Client:
    return clients.create(name="Globex", slug="globex", timezone="Europe/Berlin", actor=actor)
