"""Reading fleet actions for their pages: how far they are, wave by wave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from django.db.models import Count, Prefetch, Q, QuerySet

from hosting.models import FleetAction, FleetActionItem, OperationStep

_Item = FleetActionItem.State
OPEN = (_Item.WAITING, _Item.RUNNING)


@dataclass(frozen=True, slots=True)
class Wave:
    """The instances that are asked at the same time. ``number`` counts from one."""

    number: int
    items: Sequence[FleetActionItem]

    @property
    def counts(self) -> Counter[str]:
        """How many items are in which state."""
        return Counter(item.state for item in self.items)

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.counts[_Item.RUNNING] > 0

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun."""
        return self.counts[_Item.WAITING] == len(self.items)


def with_progress(actions: QuerySet[FleetAction]) -> QuerySet[FleetAction]:
    """Actions with their server, and ``total``, ``ended`` and ``failed`` numbers of instances."""
    return actions.select_related("server").annotate(
        total=Count("items"),
        ended=Count("items", filter=~Q(items__state__in=OPEN)),
        failed=Count("items", filter=Q(items__state=_Item.FAILED)),
    )


def waves(action: FleetAction) -> list[Wave]:
    """With instances, clients, operations and steps: two queries, however many."""
    steps = OperationStep.objects.order_by("position").defer("output")
    items = (
        action.items.order_by("wave", "pk")
        .select_related("instance__client", "operation")
        .prefetch_related(Prefetch("operation__steps", queryset=steps))
    )
    return [
        Wave(number + 1, list(group))
        for number, group in groupby(items, key=lambda each: each.wave)
    ]
