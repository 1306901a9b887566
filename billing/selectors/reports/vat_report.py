"""VAT as it stands on what was issued, for the return: by month, country, category and rate.

Months are those of the issue in the seller's zone; what credit notes give back counts in their own
month, as less. The country is the buyer's, as it was at the issue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection

from billing.selectors.reports.months import Months


@dataclass(frozen=True, slots=True)
class Taxed:
    """What was charged by one rule at one rate to buyers of one country, in one month."""

    month: date
    country: str
    rule: str
    category: str
    rate: Decimal
    currency: str
    documents: int
    basis: Decimal
    vat: Decimal


@dataclass(frozen=True, slots=True)
class Recapitulated:
    """What was supplied without VAT to a buyer who owes it: for the recapitulative statement."""

    month: date
    vat_number: str
    country: str
    currency: str
    basis: Decimal


def taxed(months: Months) -> Sequence[Taxed]:
    """In that order. One query."""
    return [Taxed(*row) for row in _read(_TAXED, months)]


def recapitulated(months: Months) -> Sequence[Recapitulated]:
    """By month and VAT number. One query."""
    return [Recapitulated(*row) for row in _read(_RECAPITULATED, months)]


def _read(sql: str, months: Months) -> Sequence[tuple[Any, ...]]:
    values: dict[str, Any] = {
        "zone": str(months.zone),
        "since": months.begins_at,
        "until": months.ends_at,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {_TOTALS} {sql}", values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


_TOTALS = """
totals AS (
    SELECT date_trunc('month', issued_at AT TIME ZONE %(zone)s)::date AS month, currency,
        buyer->>'country' AS country, buyer->>'vat_number' AS vat_number, of.category, of.rule,
        of.rate, CASE kind WHEN 'invoice' THEN 1 ELSE -1 END * of.basis AS basis,
        CASE kind WHEN 'invoice' THEN 1 ELSE -1 END * of.amount AS vat, billing_invoice.id
    FROM billing_invoice, jsonb_to_recordset(tax->'totals')
        AS of (category text, rule text, rate numeric, basis numeric, amount numeric)
    WHERE state = 'issued' AND issued_at >= %(since)s AND issued_at < %(until)s
)"""
_TAXED = """
SELECT month, country, rule, category, rate, currency, count(DISTINCT id), sum(basis), sum(vat)
FROM totals GROUP BY month, country, rule, category, rate, currency
ORDER BY month, country, rule, category, rate, currency
"""
_RECAPITULATED = """
SELECT month, vat_number, country, currency, sum(basis)
FROM totals WHERE category IN ('AE', 'K') GROUP BY month, vat_number, country, currency
ORDER BY month, vat_number, currency
"""
