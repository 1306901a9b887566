"""What sums of issued documents depend on, in one line: one query in place of all their lines.

An issued document, its lines and a price never change: triggers of the database hold that. So which
documents there are says what is in them; only names may become others.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from billing.selectors.reports import attribution
from billing.selectors.reports.months import Months

_SQL = """
SELECT date_trunc('month', issued_at AT TIME ZONE %(zone)s)::date,
    concat(count(*), '/', sum(uuid_hash_extended(id, 0)), '/', (
        SELECT sum(hash_record_extended((price.id, price.plan_id), 0)) FROM billing_price price
    ), '/', (
        SELECT sum(hash_record_extended((plan.id, plan.name), 0)) FROM hosting_plan plan
    ), '/', (
        SELECT sum(hash_record_extended((client.id, client.name), 0)) FROM tenants_client client
    ))
FROM billing_invoice
WHERE state = 'issued' AND issued_at >= %(since)s AND issued_at < %(until)s
GROUP BY 1 ORDER BY 1
"""


def fingerprints(months: Months) -> Mapping[date, str]:
    """Of each month in which anything was issued: its documents, and the names there are."""
    zone, since, until = str(months.zone), months.begins_at, months.ends_at
    rows = attribution.read(_SQL, zone=zone, since=since, until=until)
    return {row[0]: row[1] for row in rows}


def fingerprint(months: Months) -> str:
    """Of all the months together."""
    return repr((months, fingerprints(months)))
