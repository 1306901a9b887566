"""Which subscription and plan every cent of issued documents belongs to, credit notes included.

A credit note has no lines of its own beyond what it gives back of each VAT. That is shared out over
the lines of the invoice that it takes back, of the same VAT, in proportion to them: each share is
what the rounded running sum grows by, so that the shares of a note are the note, to the cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection

from billing import currencies

# A row for each line: what of it each document in ``chosen`` charges, or gives back as less than
# nothing. ``chosen`` has id, kind, corrects_id, currency. A line without a price, such as a
# discount, belongs to the plan of its subscription's largest line on the same invoice.
_PLAN = """coalesce(price.plan_id, CASE WHEN price.id IS NULL THEN (
    SELECT its.plan_id FROM billing_invoiceline largest
    JOIN billing_price its ON its.id = largest.price_id
    WHERE largest.invoice_id = line.invoice_id
        AND largest.subscription_id IS NOT DISTINCT FROM line.subscription_id
    ORDER BY largest.net DESC, largest.position LIMIT 1
) END) AS plan_id"""
SHARES = f"""
origins AS (
    SELECT DISTINCT corrects_id AS id FROM chosen WHERE kind = 'credit_note'
),
lines AS (
    SELECT line.invoice_id, line.subscription_id, line.category, line.rate, line.net,
        line.first_day, line.last_day, {_PLAN},
        sum(line.net) OVER running AS upto,
        sum(line.net) OVER (PARTITION BY line.invoice_id, line.category, line.rate) AS whole,
        row_number() OVER running AS number
    FROM billing_invoiceline line
    JOIN origins ON origins.id = line.invoice_id
    LEFT JOIN billing_price price ON price.id = line.price_id
    WINDOW running AS (
        PARTITION BY line.invoice_id, line.category, line.rate ORDER BY line.position
    )
),
given_back AS (
    SELECT chosen.id AS document_id, note.category, note.rate, sum(note.net) AS net,
        chosen.corrects_id, CASE WHEN chosen.currency = ANY(%(without)s) THEN 0
            WHEN chosen.currency = ANY(%(three)s) THEN 3 ELSE 2 END AS decimals
    FROM chosen JOIN billing_invoiceline note ON note.invoice_id = chosen.id
    WHERE chosen.kind = 'credit_note'
    GROUP BY chosen.id, note.category, note.rate, chosen.corrects_id, chosen.currency
),
shares AS (
    SELECT chosen.id AS document_id, line.subscription_id, {_PLAN}, line.first_day,
        line.last_day, line.net
    FROM chosen JOIN billing_invoiceline line ON line.invoice_id = chosen.id
    LEFT JOIN billing_price price ON price.id = line.price_id
    WHERE chosen.kind = 'invoice'
    UNION ALL
    SELECT back.document_id, lines.subscription_id, lines.plan_id, lines.first_day,
        lines.last_day,
        CASE WHEN lines.whole = 0 THEN CASE WHEN lines.number = 1 THEN -back.net ELSE 0 END
            ELSE round(back.net * (lines.upto - lines.net) / lines.whole, back.decimals)
                - round(back.net * lines.upto / lines.whole, back.decimals) END
    FROM given_back back JOIN lines ON lines.invoice_id = back.corrects_id
        AND lines.category = back.category AND lines.rate = back.rate
)
"""  # noqa: S608 - nothing in it comes from outside


def read(sql: str, **values: Any) -> Sequence[tuple[Any, ...]]:
    """The rows of a query that has ``SHARES`` in it."""
    known = {"without": currencies.having(0), "three": currencies.having(3), **values}
    with connection.cursor() as cursor:
        cursor.execute(sql, known)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
