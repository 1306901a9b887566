"""Reading fleet actions for their pages: how far they are, wave by wave."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Count, Prefetch, Q, QuerySet

from hosting.models import FleetAction, FleetActionItem, OperationStep
from hosting.selectors.instances import large
from hosting.selectors.working.waves import Wave, counted, with_items

_Item = FleetActionItem.State
OPEN = (_Item.WAITING, _Item.RUNNING)


class FleetWave(Wave):
    """Of a fleet action. ``number`` counts from one."""

    __slots__ = ()

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.counts[_Item.RUNNING] > 0


def with_progress(actions: QuerySet[FleetAction]) -> QuerySet[FleetAction]:
    """Actions with their server, and ``total``, ``ended`` and ``failed`` numbers of instances."""
    return actions.select_related("server").annotate(
        total=Count("items"),
        ended=Count("items", filter=~Q(items__state__in=OPEN)),
        failed=Count("items", filter=Q(items__state=_Item.FAILED)),
    )


def waves(action: FleetAction, *, opened: Collection[int]) -> list[FleetWave]:
    """With instances, clients, operations and steps where they are looked at: three queries."""
    steps = OperationStep.objects.order_by("position").defer("output")
    items = (
        action.items.order_by("wave", "pk")
        .select_related("instance__client", "operation")
        .defer(*large("instance"))
        .prefetch_related(Prefetch("operation__steps", queryset=steps))
    )
    found = [FleetWave(number + 1, counts) for number, counts in counted(action.items.all())]
    return with_items(found, items, first=1, opened=opened)
