"""Days that pass, and money that comes, for an invoice that was due on 15 February 2026."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from billing.models import DunningStep, Invoice
from billing.services.paying import dunning, dunning_letters, settlements
from hosting.models import Instance
from tests.billing.money import ACTOR, at

DUE = at("2026-02-15 12:00")  # by Berlin's clock as well


def after(days: int, *, since: int = 0) -> None:
    """Let the days pass, with a look on each."""
    for day in range(since, days + 1):
        now = DUE + timedelta(days=day)
        dunning.advance(now=now)
        dunning_letters.send_due(now=now)


def pay(invoice: Invoice, day: int, amount: str = "35.70") -> None:
    now = DUE + timedelta(days=day)
    settlements.record_payment(
        invoice=invoice,
        amount=Decimal(amount),
        currency="EUR",
        received_on=now.date(),
        actor=ACTOR,
        now=now,
    )


def steps() -> list[tuple[str, int, int]]:
    """Kind, number and on which day after it was due."""
    rows = DunningStep.objects.order_by("done_at", "kind")
    return [(each.kind, each.number, (each.on - DUE.date()).days) for each in rows]


def fresh(instance: Instance) -> Instance:
    return Instance.objects.get(pk=instance.pk)
