"""Waves of fleet actions and rollouts: how each stands, and the instances of those looked at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from django.db.models import Count, QuerySet

from hosting.models import FleetActionItem, RolloutItem

FEW = 200  # instances that are read whichever wave they are in
MOST_OPEN = 10  # waves that are read unasked where there are more
_FAILED, _WAITING = FleetActionItem.State.FAILED, FleetActionItem.State.WAITING  # in both

Item = FleetActionItem | RolloutItem


@dataclass(frozen=True, slots=True)
class Wave(ABC):
    """The instances that are worked on at the same time: how many are in which state.

    ``items`` are None where they were not read, since nobody looks at them.
    """

    number: int
    counts: Counter[str]
    items: Sequence[Item] | None = None

    @property
    def size(self) -> int:
        """How many instances."""
        return self.counts.total()

    @property
    @abstractmethod
    def is_running(self) -> bool:
        """Whether it has begun and not ended."""

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun."""
        return self.counts[_WAITING] == self.size

    @property
    def is_of_interest(self) -> bool:
        """Whether something happens in it, or went wrong."""
        return self.is_running or self.counts[_FAILED] > 0


W = TypeVar("W", bound=Wave)


def counted(items: QuerySet[Any]) -> list[tuple[int, Counter[str]]]:
    """Each wave of these, in order, with how many are in which state. One query."""
    found: dict[int, Counter[str]] = defaultdict(Counter)
    rows = items.order_by("wave", "state").values_list("wave", "state")
    for wave, state, many in rows.annotate(Count("pk")):
        found[wave][state] = many
    return list(found.items())


def with_items(
    waves: Sequence[W], items: QuerySet[Any], *, first: int, opened: Collection[int]
) -> list[W]:
    """With their instances where these are few, else with those of waves that are looked at.

    That is those of interest and those that are opened. ``first`` is the number of the first wave.
    The items' own queries, however many waves.
    """
    are_few = sum(each.size for each in waves) <= FEW
    of_interest = [each.number for each in waves if are_few or each.is_of_interest]
    chosen = {*(of_interest if are_few else of_interest[:MOST_OPEN]), *opened}
    found: dict[int, list[Item]] = defaultdict(list)
    for item in items.filter(wave__in=[number - first for number in chosen]):
        found[item.wave + first].append(item)
    return [replace(each, items=found.get(each.number)) for each in waves]
