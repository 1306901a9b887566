"""Where the memory engine keeps its objects, so that thousands of instances cost what they must."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Generic, Protocol, TypeVar


class Owned(Protocol):
    """What carries the labels of an instance and of an owner; either may be ``""``."""

    @property
    def name(self) -> str: ...

    @property
    def instance(self) -> str: ...


Thing = TypeVar("Thing", bound=Owned)


class Shelf(Generic[Thing]):
    """Objects of one kind by their name, and by instance: no look-up walks over all of them."""

    def __init__(self) -> None:
        self._by_name: dict[str, Thing] = {}
        self._by_instance: dict[str, dict[str, Thing]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Thing]:
        return iter(list(self._by_name.values()))

    def get(self, name: str) -> Thing | None:
        return self._by_name.get(name)

    def held(self, name: str) -> Thing:
        """The same. Raises ``KeyError`` where there is none."""
        return self._by_name[name]

    def of(self, instance: str) -> Mapping[str, Thing]:
        """The instance's objects by name, as they are now."""
        return dict(self._by_instance.get(instance, {}))

    def put(self, thing: Thing) -> None:
        """Add it under its name, which must be free."""
        if thing.name in self._by_name:
            raise ValueError(f"the name {thing.name} is in use")
        self._by_name[thing.name] = thing
        self._by_instance.setdefault(thing.instance, {})[thing.name] = thing

    def pop(self, name: str) -> Thing:
        """Take it away. Raises ``KeyError`` where there is none."""
        thing = self._by_name.pop(name)
        of = self._by_instance[thing.instance]
        del of[name]
        if not of:
            del self._by_instance[thing.instance]
        return thing


class Subnets:
    """The address ranges in use, none of which overlap."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def overlap(self, subnet: str) -> bool:
        """True where any address of the subnet (CIDR) is in use."""
        first, last = _bounds(subnet)
        at = bisect_left(self._ranges, (first, first))
        before, after = self._ranges[max(0, at - 1) : at], self._ranges[at : at + 1]
        return any(begun[1] >= first for begun in before) or any(
            next_one[0] <= last for next_one in after
        )

    def take(self, subnet: str) -> None:
        insort(self._ranges, _bounds(subnet))

    def free(self, subnet: str) -> None:
        del self._ranges[bisect_left(self._ranges, _bounds(subnet))]


def _bounds(subnet: str) -> tuple[int, int]:
    network = ip_network(subnet)
    return int(network.network_address), int(network.broadcast_address)
