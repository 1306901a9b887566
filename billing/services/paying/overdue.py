"""What is overdue of a client, and whether that is enough to do something about."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from django.db.models import F, QuerySet

from billing.models import BillingProfile, DunningPolicy, Invoice, Settlement
from billing.services.paying import dunning_history, dunning_rules


def open_ones() -> QuerySet[Settlement]:
    """Invoices of which something is to be paid, due or not."""
    return Settlement.objects.filter(
        state=Settlement.State.OPEN,
        invoice__kind=Invoice.Kind.INVOICE,
        total__gt=F("paid") + F("credited"),
    )


def of(client: uuid.UUID, today: date) -> list[Settlement]:
    """What is overdue of that client, the one that was due first before the others."""
    rows = open_ones().filter(invoice__client=client, invoice__due_on__lt=today)
    return list(rows.select_related("invoice").order_by("invoice__due_on", "invoice__sequence"))


def counted_from(policy: DunningPolicy | None, owed: Sequence[Settlement]) -> date | None:
    """Since when it is enough, or None: a client's invoices are all in one currency."""
    if not owed:
        return None
    least = policy.least.get(owed[0].invoice.currency, "0") if policy else "0"
    sums = [(due_on(each.invoice), each.open) for each in owed]
    return dunning_rules.counted_from(sums, Decimal(least))


def is_too_little(*, profile: BillingProfile, now: datetime) -> bool:
    """Whether all that is overdue of a client is less than is reminded of."""
    owed = of(profile.client_id, dunning_history.today_of(profile, now))
    return counted_from(DunningPolicy.objects.first(), owed) is None


def due_on(invoice: Invoice) -> date:
    """The day on which an issued invoice is due."""
    assert invoice.due_on is not None  # noqa: S101  (issued invoices have it)
    return invoice.due_on
