"""Which clients could not be billed, and why, as their subscriptions and drafts say."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from billing.models import Invoice, Subscription

AT_MOST = 1000  # that a run keeps


def said(clients: Collection[uuid.UUID]) -> list[dict[str, Any]]:
    """Each client's name and first reason, by name. Two queries, none where there are none."""
    if not clients:
        return []
    found: dict[uuid.UUID, tuple[str, str]] = {}
    drafts = Invoice.objects.filter(client__in=clients, state=Invoice.State.DRAFT)
    for rows in (Subscription.objects.filter(client__in=clients), drafts):
        told = rows.exclude(problem="").order_by("pk")
        for pk, name, problem in told.values_list("client", "client__name", "problem"):
            found.setdefault(pk, (name, problem))
    ordered = sorted(found.items(), key=lambda each: each[1])
    return [
        {"client": str(pk), "name": name, "reason": reason}
        for pk, (name, reason) in ordered[:AT_MOST]
    ]
