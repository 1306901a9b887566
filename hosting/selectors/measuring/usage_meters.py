"""Which meters an instance has: Berth's, and those of its app as it was ordered."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from hosting.catalog.meters import BUILT_IN, Meter
from hosting.models import Instance


def of_instance(instance_id: uuid.UUID) -> Mapping[str, Meter]:
    """The meters by name. One query, which reads no more of the definition than them."""
    rows = Instance.objects.filter(pk=instance_id)
    return with_own(rows.values_list("definition__berth__meters", flat=True).get())


def with_own(declared: Mapping[str, Mapping[str, str]] | None) -> Mapping[str, Meter]:
    """Berth's meters and those that a definition declares; older ones declare none."""
    own = {name: Meter.model_validate(each) for name, each in (declared or {}).items()}
    return BUILT_IN | own
