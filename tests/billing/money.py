"""A seller, clients with billing details, prices, and instances that ran: what billing needs."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from billing.models import BillingProfile, Invoice, Price, Seller
from billing.services import prices, profiles
from hosting.models import HealthDay, Instance, Plan
from tenants.models import Client
from tenants.services.actors import Actor

LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
ACTOR = Actor.system("test")


def at(text: str) -> datetime:
    """A moment in UTC: 2026-02-01, or 2026-02-01 12:30."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def set_seller(**more: Any) -> Seller:
    """A German company that bills from 2026 on, without grace unless told."""
    fields = {
        "name": "Berth Hosting GmbH",
        "street": "Hafenstraße 1",
        "postcode": "20457",
        "city": "Hamburg",
        "country": "DE",
        "vat_number": "DE136695976",
        "iban": "DE02120300000000202051",
        "bills_from": date(2026, 1, 1),
        "grace_hours": 0,
    }
    return profiles.set_seller(actor=ACTOR, fields={**fields, **more})  # type: ignore[typeddict-item]


def set_details(client: Client, **more: Any) -> BillingProfile:
    """A German client that pays in euros by the calendar's month."""
    fields = {
        "name": f"{client.name} GmbH",
        "street": "Lindenallee 2",
        "postcode": "10115",
        "city": "Berlin",
        "country": "DE",
    }
    return profiles.set_profile(client=client, actor=ACTOR, fields={**fields, **more})  # type: ignore[typeddict-item]


def set_price(plan: Plan, amount: str = "30.00", **more: Any) -> Price:
    """So much a month from 2026 on, as if entered long before."""
    now = more.pop("now", LONG_AGO)
    fields = {
        "plan": plan,
        "currency": "EUR",
        "interval": "month",
        "valid_from": date(2026, 1, 1),
        "amount": Decimal(amount),
        "setup_fee": Decimal(0),
        "trial_days": 0,
        "charges": [],
    }
    return prices.create(actor=ACTOR, now=now, fields={**fields, **more})  # type: ignore[typeddict-item]


def run_since(instance: Instance, moment: str) -> Instance:
    """Note that it first ran then."""
    Instance.objects.filter(pk=instance.pk).update(first_running_at=at(moment), state="running")
    instance.refresh_from_db()
    return instance


def end(instance: Instance, moment: str) -> None:
    """Note that its deletion was asked for then."""
    Instance.objects.filter(pk=instance.pk).update(delete_requested_at=at(moment))


def be_down(instance: Instance, day: str, seconds: int = 43_200) -> None:
    """Note that it was down for so long on that day: for half of it unless told."""
    HealthDay.objects.create(
        instance=instance,
        day=date.fromisoformat(day),
        zone="Europe/Berlin",
        checks=100,
        failures=1,
        known_seconds=86_400,
        down_seconds=seconds,
        excused_seconds=0,
        responses=0,
        ms_sum=0,
        buckets=[0] * 10,
    )


def lines(invoice: Invoice) -> list[tuple[str, str, str]]:
    """Kind, quantity and net of each line."""
    return [
        (line.kind, f"{line.quantity.normalize():f}", str(line.net.quantize(Decimal("0.01"))))
        for line in invoice.lines.order_by("position")
    ]
