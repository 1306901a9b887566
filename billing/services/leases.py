"""Who works on what was asked for: every write of a worker is conditional on its fence.

Rows have ``fence``, ``lease_expires_at`` and ``requested_at``; where that is empty, nobody asked,
and the row is its maker's own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from billing.models import BillingRun, InvoiceExport

LEASE = timedelta(minutes=2)  # what is done between two writes takes seconds
Leased = TypeVar("Leased", BillingRun, InvoiceExport)


class Lost(Exception):
    """Another worker has taken it up: stop; what was begun is rolled back."""


class Keep:
    """Writes fields of a row that is worked on, and goes on holding it."""

    def __init__(self, row: BillingRun | InvoiceExport) -> None:
        self.row = row

    def __call__(self, *names: str) -> None:
        """Save these fields. Raises ``Lost``."""
        values = {name: getattr(self.row, name) for name in names}
        if self.row.requested_at is not None:
            values["lease_expires_at"] = Now() + LEASE
        held = type(self.row)._default_manager.filter(pk=self.row.pk, fence=self.row.fence)
        if not held.update(**values):
            raise Lost(str(self.row.pk))


def claim(rows: QuerySet[Leased]) -> Leased | None:
    """Take the first of the rows that nobody works on."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lt=Now())
    for row in rows.filter(free):
        mine = rows.filter(free, pk=row.pk, fence=row.fence)
        if mine.update(fence=row.fence + 1, lease_expires_at=Now() + LEASE):
            row.refresh_from_db()
            return row
    return None
