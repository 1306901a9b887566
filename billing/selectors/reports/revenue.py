"""Revenue: what was invoiced, less what was credited, without VAT, by the month of the issue.

Months are those of the seller's zone. Currencies are never added up. A credit note counts in the
month in which it was issued itself, not in that of its invoice.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from billing.selectors.reports import attribution, issued, kept
from billing.selectors.reports.months import Months

By = Literal["month", "plan", "client"]


@dataclass(frozen=True, slots=True)
class Revenue:
    """Of a month, a currency and, unless it is of all, a plan or client; ``key`` is its own.

    What belongs to no plan has no key. ``documents`` counts invoices and credit notes.
    """

    month: date
    key: uuid.UUID | None
    name: str
    currency: str
    documents: int
    invoiced: Decimal
    credited: Decimal

    @property
    def net(self) -> Decimal:
        """What is left."""
        return self.invoiced - self.credited


@dataclass(frozen=True, slots=True)
class Part:
    """An invoice or credit note, and what of its net belongs to what was asked for."""

    invoice_id: uuid.UUID
    series: str
    sequence: int
    kind: str
    client: str
    issued_at: datetime
    currency: str
    net: Decimal

    @property
    def number(self) -> str:
        """As it is written."""
        return f"{self.series}-{self.sequence:06d}"


@dataclass(frozen=True, slots=True)
class Parts:
    """The first documents that a sum is of; how many there are, and all their sums by currency."""

    first: Sequence[Part]
    many: int
    sums: Mapping[str, Decimal]


def revenue(months: Months, *, by: By) -> Sequence[Revenue]:
    """Month after month, and in each by currency and name. One query.

    By plan every line counts: months in which nothing changed are not read again (three queries at
    most).
    """
    if by != "plan":
        return _read(months, by=by)
    found = kept.recall(
        f"revenue by plan {months.zone}",
        fingerprints=lambda: issued.fingerprints(months),
        compute=lambda missing: _by_plan(missing, months),
    )
    return [row for month in sorted(found) for row in found[month]]


def _by_plan(missing: Sequence[date], months: Months) -> Mapping[date, Sequence[Revenue]]:
    """Those months, and what lies between them: in one query."""
    found: dict[date, list[Revenue]] = {month: [] for month in missing}
    for row in _read(Months(min(missing), max(missing), months.zone), by="plan"):
        if row.month in found:
            found[row.month].append(row)
    return found


def _read(months: Months, *, by: By) -> Sequence[Revenue]:
    rows = attribution.read(
        f"WITH {_CHOSEN}, {_shares(by)} {_GROUPED[by]}", key=None, currency=None, **_values(months)
    )
    return [Revenue(*row) for row in rows]


def parts(months: Months, *, by: By, key: uuid.UUID | None, currency: str | None) -> Sequence[Part]:
    """The documents that the sum is of, in the order of issue. One query.

    ``key`` is a plan's or client's; None is all, or by plan what belongs to none.
    """
    rows = attribution.read(
        f"WITH {_CHOSEN}, {_shares(by)} {_PARTS[by]}", key=key, currency=currency, **_values(months)
    )
    return [Part(*row) for row in rows]


def first_parts(
    months: Months, *, by: By, key: uuid.UUID | None, currency: str | None, most: int
) -> Parts:
    """As many of the same at the most, and the sums of all; kept. Three queries at most."""
    return kept.recall_one(
        f"documents by {by} {key} {currency} {most}",
        fingerprint=lambda: issued.fingerprint(months),
        compute=lambda: _first_parts(months, by=by, key=key, currency=currency, most=most),
    )


def _first_parts(
    months: Months, *, by: By, key: uuid.UUID | None, currency: str | None, most: int
) -> Parts:
    rows = attribution.read(
        f"WITH {_CHOSEN}, {_shares(by)}, found AS ({_PARTS[by]}) {_FIRST}",
        **{"key": key, "currency": currency, "most": most, **_values(months)},
    )
    first = [Part(*row) for row in rows if row[0] is not None]
    sums = {row[6]: row[7] for row in rows if row[0] is None}
    return Parts(first, sum(row[2] for row in rows if row[0] is None), sums)


def _values(months: Months) -> dict[str, object]:
    zone = str(months.zone)
    return {"zone": zone, "since": months.begins_at, "until": months.ends_at}


def _shares(by: By) -> str:
    """Lines where a plan is asked for; documents themselves say whose they are."""
    return f"{attribution.SHARES}, {_OF_PLANS}" if by == "plan" else _WHOLE


_CHOSEN = """
chosen AS NOT MATERIALIZED (
    SELECT id, kind, corrects_id, client_id, currency, issued_at, net, series, sequence,
        date_trunc('month', issued_at AT TIME ZONE %(zone)s)::date AS month
    FROM billing_invoice
    WHERE state = 'issued' AND issued_at >= %(since)s AND issued_at < %(until)s
        AND (%(currency)s::text IS NULL OR currency = %(currency)s)
)"""
_WHOLE = """
shares AS (
    SELECT id AS document_id, CASE kind WHEN 'invoice' THEN net ELSE -net END AS net FROM chosen
)"""
_OF_PLANS = """
parts AS (
    SELECT document_id, plan_id, sum(net) AS net FROM shares GROUP BY document_id, plan_id
)"""
_SUMS = """
    count(*),
    coalesce(sum(shares.net) FILTER (WHERE chosen.kind = 'invoice'), 0),
    coalesce(-sum(shares.net) FILTER (WHERE chosen.kind = 'credit_note'), 0)
"""
_GROUPED: dict[By, str] = {
    "month": f"""
SELECT chosen.month, NULL::uuid, '', chosen.currency, {_SUMS}
FROM chosen JOIN shares ON shares.document_id = chosen.id
GROUP BY chosen.month, chosen.currency ORDER BY 1, 4
""",  # noqa: S608 - nothing in it comes from outside
    "client": f"""
SELECT chosen.month, client.id, client.name, chosen.currency, {_SUMS}
FROM chosen JOIN shares ON shares.document_id = chosen.id
JOIN tenants_client client ON client.id = chosen.client_id
GROUP BY chosen.month, client.id, client.name, chosen.currency ORDER BY 1, 4, 3, 2
""",  # noqa: S608
    "plan": f"""
SELECT chosen.month, plan.id, coalesce(plan.name, ''), chosen.currency, {_SUMS}
FROM chosen JOIN parts AS shares ON shares.document_id = chosen.id
LEFT JOIN hosting_plan plan ON plan.id = shares.plan_id
GROUP BY chosen.month, plan.id, plan.name, chosen.currency ORDER BY 1, 4, 3, 2
""",  # noqa: S608
}
_OF_PART = """
SELECT chosen.id, chosen.series, chosen.sequence, chosen.kind, client.name, chosen.issued_at,
    chosen.currency, sum(shares.net) AS net
FROM chosen JOIN shares ON shares.document_id = chosen.id
JOIN tenants_client client ON client.id = chosen.client_id
WHERE {} GROUP BY chosen.id, chosen.series, chosen.sequence, chosen.kind, client.name,
    chosen.issued_at, chosen.currency
ORDER BY chosen.issued_at, chosen.series, chosen.sequence
"""
_PARTS: dict[By, str] = {
    "month": _OF_PART.format("%(key)s::uuid IS NULL"),
    "client": _OF_PART.format("(%(key)s::uuid IS NULL OR chosen.client_id = %(key)s)"),
    "plan": _OF_PART.format("shares.plan_id IS NOT DISTINCT FROM %(key)s::uuid"),
}
# What is no document has how many there are in its currency, and their sum.
_FIRST = """
(SELECT * FROM found ORDER BY issued_at, series, sequence LIMIT %(most)s)
UNION ALL
(SELECT NULL, '', count(*), '', '', NULL, currency, sum(net) FROM found
GROUP BY currency ORDER BY currency)
"""
