"""What Berth found at an instance and did about it, for pages."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import F

from hosting.models import Drift, Instance

SHOWN = 10  # on an instance's page


def newest(instance: Instance, *, at_most: int = SHOWN) -> Sequence[Drift]:
    """What is still so first, then the latest; each with the operation that put it right."""
    found = instance.drifts.select_related("operation")
    return list(found.order_by(F("settled_at").desc(nulls_first=True), "-found_at")[:at_most])
