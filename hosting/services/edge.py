"""Saying that the edge must change; a worker then publishes it (hosting/flows/running/edge.py)."""

from __future__ import annotations

from django.db.models import F

from hosting.models import EdgeState


def want_publish() -> int:
    """Count the wanted revision up; return the number that must be live for the change to show."""
    EdgeState.objects.get_or_create(pk=1)
    EdgeState.objects.filter(pk=1).update(wanted=F("wanted") + 1)
    return EdgeState.objects.values_list("wanted", flat=True).get(pk=1)
