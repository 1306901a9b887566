"""What clients owe, by how long it has been due, as of the end of any day.

A day before today is taken as it was: invoices and credit notes issued by its end in the seller's
zone, payments with the day on which the bank had them, and what was settled by credit with the day
on which that was done. Today is as the books stand, whatever days stand on the payments.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import F, Sum

from billing.models import Settlement

BUCKETS = ("Not due", "1 to 30 days", "31 to 60 days", "61 to 90 days", "Over 90 days")


@dataclass(frozen=True, slots=True)
class Owed:
    """By one client in one currency; ``amounts`` are in the order of ``BUCKETS``."""

    client_id: uuid.UUID
    client: str
    currency: str
    invoices: int
    amounts: tuple[Decimal, ...]

    @property
    def total(self) -> Decimal:
        """All of it."""
        return sum(self.amounts, Decimal(0))


@dataclass(frozen=True, slots=True)
class Open:
    """One invoice that is not settled."""

    invoice_id: uuid.UUID
    number: str
    client: str
    issued_on: date
    due_on: date
    currency: str
    amount: Decimal


def aged(*, on: date, today: date, zone: ZoneInfo) -> Sequence[Owed]:
    """Each client that owes anything, by name. One query."""
    rows = _read(f"WITH {_OPEN} {_AGED}", on=on, today=today, zone=zone)
    return [Owed(pk, name, currency, many, tuple(rest)) for pk, name, currency, many, *rest in rows]


def invoices(
    *, on: date, today: date, zone: ZoneInfo, client: uuid.UUID | None = None
) -> Sequence[Open]:
    """What is open, the longest due first; of one client where one is named. One query."""
    rows = _read(f"WITH {_OPEN} {_INVOICES}", on=on, today=today, zone=zone, client=client)
    return [Open(pk, f"{series}-{sequence:06d}", *rest) for pk, series, sequence, *rest in rows]


def in_the_books() -> Mapping[str, Decimal]:
    """What is open now by currency, as each invoice's own row has it. One query."""
    rows = Settlement.objects.filter(state=Settlement.State.OPEN)
    sums = rows.values_list("invoice__currency").annotate(
        left=Sum(F("total") - F("credited") - F("paid"))
    )
    return dict(sums.order_by("invoice__currency"))


def _read(
    sql: str, *, on: date, today: date, zone: ZoneInfo, client: uuid.UUID | None = None
) -> Sequence[tuple[Any, ...]]:
    ends_at = datetime.combine(on + timedelta(days=1), time(), tzinfo=zone)
    values: dict[str, Any] = {"on": on, "ends_at": ends_at, "all": on >= today, "client": client}
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


_OPEN = """
credited AS (
    SELECT corrects_id AS id, sum(total) AS amount FROM billing_invoice
    WHERE kind = 'credit_note' AND state = 'issued' AND (%(all)s OR issued_at < %(ends_at)s)
    GROUP BY corrects_id
),
paid AS (
    SELECT invoice_id AS id, sum(amount) AS amount FROM billing_payment
    WHERE %(all)s OR CASE method WHEN 'credit' THEN recorded_at < %(ends_at)s
        ELSE received_on <= %(on)s END
    GROUP BY invoice_id
),
owed AS (
    SELECT invoice.id, invoice.series, invoice.sequence, client.id AS client_id,
        client.name AS client, invoice.issued_on, coalesce(due_on, issued_on) AS due_on, currency,
        invoice.total - coalesce(credited.amount, 0) - coalesce(paid.amount, 0) AS amount
    FROM billing_invoice invoice
    JOIN tenants_client client ON client.id = invoice.client_id
    LEFT JOIN credited ON credited.id = invoice.id
    LEFT JOIN paid ON paid.id = invoice.id
    WHERE invoice.kind = 'invoice' AND invoice.state = 'issued'
        AND (%(all)s OR invoice.issued_at < %(ends_at)s)
        AND (%(client)s::uuid IS NULL OR client.id = %(client)s)
)"""
_AGED = """
SELECT client_id, client, currency, count(*),
    coalesce(sum(amount) FILTER (WHERE %(on)s::date - due_on <= 0), 0),
    coalesce(sum(amount) FILTER (WHERE %(on)s::date - due_on BETWEEN 1 AND 30), 0),
    coalesce(sum(amount) FILTER (WHERE %(on)s::date - due_on BETWEEN 31 AND 60), 0),
    coalesce(sum(amount) FILTER (WHERE %(on)s::date - due_on BETWEEN 61 AND 90), 0),
    coalesce(sum(amount) FILTER (WHERE %(on)s::date - due_on > 90), 0)
FROM owed WHERE amount <> 0
GROUP BY client_id, client, currency ORDER BY client, client_id, currency
"""
_INVOICES = """
SELECT id, series, sequence, client, issued_on, due_on, currency, amount
FROM owed WHERE amount <> 0 ORDER BY due_on, series, sequence
"""
