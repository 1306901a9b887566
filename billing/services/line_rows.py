"""Lines of invoices as rows, and back from them what their amounts were computed from."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from billing.models import BillingPeriod, Invoice, InvoiceLine, Subscription
from billing.services.pricing import Charge
from billing.services.statement import Item


@dataclass(frozen=True, slots=True)
class Charged:
    """A line to be of an invoice: of which subscription and period, and by when it was supplied."""

    item: Item
    subscription: Subscription
    period: BillingPeriod
    supplied_on: date


def row(invoice: Invoice, position: int, charged: Charged) -> InvoiceLine:
    """The row; its VAT is set at the issue."""
    item = charged.item
    return InvoiceLine(
        invoice=invoice,
        position=position,
        kind=item.kind,
        subscription=charged.subscription,
        period=charged.period,
        price_id=item.terms,
        meter=item.meter,
        name=item.name[:200],
        description=item.description[:300],
        quantity=item.quantity,
        unit=item.unit,
        unit_price=item.price,
        base=item.base,
        net=item.net,
        first_day=item.days.first,
        last_day=item.days.end - timedelta(days=1),
        basis=_plain(item.basis),
    )


def facts(line: InvoiceLine) -> tuple[Any, ...]:
    """What makes two lines the same but for their VAT."""
    return (
        *(line.kind, line.subscription_id, line.period_id, line.price_id, line.meter),
        *(line.name, line.description, line.unit, line.first_day, line.last_day, line.basis),
        *(line.quantity, line.unit_price, line.base, line.net),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Charge):
        return {
            "model": str(value.model),
            "per": f"{value.base:f}",
            "included": f"{value.included:f}",
            "tiers": [
                [None if tier.up_to is None else f"{tier.up_to:f}", f"{tier.price:f}"]
                for tier in value.tiers
            ],
        }
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else _id(value)


def _id(value: Any) -> Any:
    return str(value) if isinstance(value, uuid.UUID) else value


_TAXES = """
UPDATE billing_invoiceline AS line SET category = told.category, rate = told.rate
FROM unnest(%s::bigint[], %s::text[], %s::numeric[]) AS told (id, category, rate)
WHERE line.id = told.id
"""


def write_taxes(lines: Sequence[InvoiceLine]) -> None:
    """Their VAT as it is set, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            _TAXES,
            [
                [each.pk for each in lines],
                [each.category for each in lines],
                [each.rate for each in lines],
            ],
        )


_COLUMNS = (
    *("invoice_id", "position", "kind", "subscription_id", "period_id", "price_id", "meter"),
    *("name", "description", "quantity", "unit", "unit_price", "base", "net", "category", "rate"),
    *("first_day", "last_day"),
)


def write(lines: Sequence[InvoiceLine]) -> None:
    """New rows for them, by COPY: there are many, and the triggers see each all the same."""
    if not lines:
        return
    names = ", ".join((*_COLUMNS, "basis"))
    with connection.cursor() as cursor:
        raw: Any = cursor.cursor
        with raw.copy(f"COPY billing_invoiceline ({names}) FROM STDIN") as copy:
            for line in lines:
                values = [getattr(line, name) for name in _COLUMNS]
                copy.write_row((*values, Jsonb(line.basis)))
