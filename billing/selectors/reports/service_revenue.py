"""What instances brought in a month in which they were used, whenever that was invoiced.

A line is spread over its days; what of it is the month's is what its rounded running sum grows by,
so that the months of a line are the line, to the cent.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from billing.selectors.reports import attribution

_SQL = f"""
WITH chosen AS (
    SELECT id, kind, corrects_id, currency FROM billing_invoice
    WHERE state = 'issued' AND last_day >= %(first)s
), {attribution.SHARES},
spread AS (
    SELECT shares.subscription_id, chosen.currency, shares.net,
        shares.last_day - shares.first_day + 1 AS days,
        greatest(%(first)s::date - shares.first_day, 0) AS before,
        least(%(until)s::date - shares.first_day, shares.last_day - shares.first_day + 1) AS upto,
        CASE WHEN chosen.currency = ANY(%(without)s) THEN 0
            WHEN chosen.currency = ANY(%(three)s) THEN 3 ELSE 2 END AS decimals
    FROM shares JOIN chosen ON chosen.id = shares.document_id
    WHERE shares.first_day < %(until)s AND shares.last_day >= %(first)s
)
SELECT subscription.instance_id, spread.currency,
    sum(round(net * upto / days, decimals) - round(net * before / days, decimals))
FROM spread JOIN billing_subscription subscription ON subscription.id = spread.subscription_id
GROUP BY subscription.instance_id, spread.currency
"""  # noqa: S608 - nothing in it comes from outside


def by_instance(first: date, until: date) -> Mapping[tuple[uuid.UUID, str], Decimal]:
    """Net of credit notes and VAT, by instance and currency. One query."""
    rows = attribution.read(_SQL, first=first, until=until)
    return {(instance, currency): amount for instance, currency, amount in rows}
