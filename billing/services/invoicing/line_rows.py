"""Lines of invoices as rows, and back from them what their amounts were computed from."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection
from psycopg.types.json import Jsonb

from billing.models import BillingPeriod, Invoice, InvoiceLine, Subscription
from billing.services import copying, vat
from billing.services.pricing import NOTHING, Charge
from billing.services.statement import Item

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Charged:
    """A line to be of an invoice: of which subscription and period, and by when it was supplied."""

    item: Item
    subscription: Subscription
    period: BillingPeriod
    supplied_on: date


class Row(NamedTuple):
    """A row to be, in the order of the table's columns: of many lines models would be a burden.

    ``invoice_id`` to ``basis`` are what makes two lines the same but for their VAT.
    """

    invoice_id: uuid.UUID
    position: int
    kind: str
    subscription_id: uuid.UUID
    period_id: uuid.UUID
    price_id: uuid.UUID | None
    meter: str
    name: str
    description: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    base: Decimal
    net: Decimal
    first_day: date
    last_day: date
    basis: dict[str, Any]
    category: str
    rate: Decimal


def row(invoice: uuid.UUID, position: int, charged: Charged, tax: vat.Decision | None) -> Row:
    """The row; without a decision on its VAT it has none yet."""
    item = charged.item
    return Row(
        invoice,
        position,
        item.kind,
        charged.subscription.pk,
        charged.period.pk,
        item.terms,
        item.meter,
        item.name[:200],
        item.description[:300],
        item.quantity,
        item.unit,
        item.price,
        item.base,
        item.net,
        item.days.first,
        item.days.end - _DAY,
        {name: _plain(each) for name, each in item.basis.items()},
        *(("", NOTHING) if tax is None else (tax.category, tax.rate)),
    )


def facts(row: Row) -> tuple[Any, ...]:
    """What makes two lines the same but for their VAT."""
    return row[:-2]


Known = Mapping[uuid.UUID, Sequence[tuple[int, Row]]]


def of(invoices: Iterable[Invoice]) -> Known:
    """The rows of each of the invoices in their order, with their keys. One query."""
    found: dict[uuid.UUID, list[tuple[int, Row]]] = defaultdict(list)
    rows = InvoiceLine.objects.filter(invoice__in=invoices).order_by("invoice_id", "position")
    for pk, *values in rows.values_list("pk", *Row._fields):
        line = Row(*values)
        found[line.invoice_id].append((pk, line))
    return found


def _plain(value: Any) -> Any:
    match value:
        case str() | int() | None:
            return value
        case Decimal():
            return f"{value:f}"
        case date():
            return value.isoformat()
        case Charge():
            return _charge(value)
        case list() | tuple():
            return [_plain(each) for each in value]
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case _:
            return str(value)  # an id


@lru_cache(maxsize=1024)
def _charge(value: Charge) -> Mapping[str, Any]:
    """Never changed by whoever gets it: the lines of many invoices share it."""
    return {
        "model": str(value.model),
        "per": f"{value.base:f}",
        "included": f"{value.included:f}",
        "tiers": [
            [None if tier.up_to is None else f"{tier.up_to:f}", f"{tier.price:f}"]
            for tier in value.tiers
        ],
    }


_TAXES = """
UPDATE billing_invoiceline AS line SET category = told.category, rate = told.rate
FROM unnest(%s::bigint[], %s::text[], %s::numeric[]) AS told (id, category, rate)
WHERE line.id = told.id
"""


def write_taxes(lines: Sequence[tuple[int, Row]]) -> None:
    """Their VAT, in one statement."""
    if not lines:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _TAXES,
            [
                [pk for pk, _ in lines],
                [each.category for _, each in lines],
                [each.rate for _, each in lines],
            ],
        )


def write(lines: Sequence[Row]) -> None:
    """New rows for them."""
    place = Row._fields.index("basis")
    rows = ((*each[:place], Jsonb(each.basis), *each[place + 1 :]) for each in lines)
    copying.write(InvoiceLine, Row._fields, rows)
