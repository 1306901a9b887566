"""Reading how the containers of an instance stand, and the looks that did not find them well."""

from __future__ import annotations

from datetime import datetime

from hosting.models import ContainerHealth, ContainerLook, Health, Instance
from hosting.selectors.watching.health import Look


def current(instance: Instance) -> tuple[Health | None, ContainerHealth | None]:
    """How the app and the containers stood at the last looks that count, in one query.

    None where there was no look.
    """
    both = Instance.objects.select_related("health", "container_health")
    row = both.defer("definition", "expected").get(pk=instance.pk)
    return getattr(row, "health", None), getattr(row, "container_health", None)


def looks(instance: Instance, *, since: datetime, until: datetime, most: int) -> list[Look]:
    """Those that found one not well, and the first that found all well again; oldest first.

    So many at most; kept for days only.
    """
    rows = ContainerLook.objects.filter(instance=instance, at__gte=since, at__lt=until)
    found = rows.order_by("at").values_list("at", "is_well", "excuse", "faults")[:most]
    return [
        Look(at=at, is_up=is_well, excuse=excuse, ms=None, error=faults)
        for at, is_well, excuse, faults in found
    ]
