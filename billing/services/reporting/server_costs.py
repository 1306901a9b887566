"""What servers cost, as staff enter it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, TypedDict

from django.db import transaction

from billing import currencies
from billing.models import ServerCost
from hosting.models import Server
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid


class CostFields(TypedDict, total=False):
    """What a server costs from a day on."""

    server: Server
    valid_from: date
    currency: str
    amount: Decimal
    cpu_weight: int
    memory_weight: int
    disk_weight: int


@transaction.atomic
def set_cost(*, actor: Actor, fields: CostFields, row: ServerCost | None = None) -> ServerCost:
    """Enter a cost, or correct one. ``Refused`` with the field where it can't be."""
    row = row or ServerCost()
    before = {} if row._state.adding else _facts(row)
    for name, value in fields.items():
        setattr(row, name, value)
    if row.cpu_weight + row.memory_weight + row.disk_weight != 100:
        raise Refused("The three weights make up 100.", field="cpu_weight")
    exponent = currencies.exponent(row.currency)
    if currencies.rounded(row.amount, exponent) != row.amount:
        raise Refused(f"Write an amount as {row.currency} has it.", field="amount")
    refuse_invalid(row)
    row.save()
    audit.record(action="server_cost.set", actor=actor, obj=row, before=before, after=_facts(row))
    return row


def _facts(row: ServerCost) -> dict[str, Any]:
    weights = (row.cpu_weight, row.memory_weight, row.disk_weight)
    return {
        "server": row.server.name,
        "valid_from": row.valid_from.isoformat(),
        "amount": str(row.amount),
        "currency": row.currency,
        "weights": "/".join(str(weight) for weight in weights),
    }
