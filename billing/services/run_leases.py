"""Who works on a billing run: every write of a worker is conditional on its fence."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from billing.models import BillingRun

LEASE = timedelta(minutes=2)  # a batch takes seconds


class Lost(Exception):
    """Another worker has taken the run up: stop; what was begun is rolled back."""


class Keep:
    """Writes a run's own counts, and goes on holding it."""

    def __init__(self, run: BillingRun) -> None:
        self.run = run

    def __call__(self, *names: str) -> None:
        """Save these fields. Raises ``Lost``."""
        values = {name: getattr(self.run, name) for name in names}
        held = BillingRun.objects.filter(pk=self.run.pk, fence=self.run.fence)
        if self.run.requested_at is not None:
            values["lease_expires_at"] = Now() + LEASE
        if not held.update(**values):
            raise Lost(str(self.run.pk))


def claim() -> BillingRun | None:
    """Take the run that was asked for, if there is one and nobody works on it."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lt=Now())
    for run in BillingRun.objects.filter(free, requested_at__isnull=False, ended_at=None):
        mine = BillingRun.objects.filter(free, pk=run.pk, fence=run.fence, ended_at=None)
        if mine.update(fence=run.fence + 1, lease_expires_at=Now() + LEASE):
            run.refresh_from_db()
            return run
    return None
