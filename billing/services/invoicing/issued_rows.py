"""Making drafts issued invoices, all of a batch in one statement."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from billing.models import Invoice

_MARK = """
UPDATE billing_invoice AS invoice SET
    state = 'issued', problem = '', series = told.series, sequence = told.sequence,
    issued_at = told.issued_at, issued_on = told.issued_on, due_on = told.due_on,
    net = told.net, vat = told.vat, total = told.total,
    seller = sellers.of->told.seller, buyer = told.buyer, tax = told.tax
FROM jsonb_to_recordset(%s::jsonb) AS told (
    id uuid, series text, sequence bigint, issued_at timestamptz, issued_on date, due_on date,
    net numeric, vat numeric, total numeric, seller int, buyer jsonb, tax jsonb
), (SELECT %s::jsonb) AS sellers (of)
WHERE invoice.id = told.id AND invoice.state = 'draft'
"""
_NAMES = (
    *("id", "series", "sequence", "issued_at", "issued_on", "due_on"),
    *("net", "vat", "total", "buyer", "tax"),
)


def mark_issued(drafts: Sequence[Invoice]) -> None:
    """Write what was set on them, and that they are issued; from then on nothing changes them.

    The caller holds them locked.
    """
    if not drafts:
        return
    sellers: list[object] = []
    told = []
    for draft in drafts:
        if not sellers or sellers[-1] is not draft.seller:  # a batch's is one and the same
            sellers.append(draft.seller)
        own = {name: getattr(draft, name) for name in _NAMES}
        told.append({**own, "seller": len(sellers) - 1})
    with connection.cursor() as cursor:
        cursor.execute(_MARK, [_ENCODER.encode(told), _ENCODER.encode(sellers)])
        if cursor.rowcount != len(drafts):
            raise RuntimeError(f"{cursor.rowcount} of {len(drafts)} drafts could be issued.")
    for draft in drafts:
        draft.state = Invoice.State.ISSUED


_ENCODER = DjangoJSONEncoder()
