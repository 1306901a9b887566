"""What a server shows of an instance, compared with what it should show: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from hosting.engines.observed import (
    ALTERED_NETWORKS,
    ContainerState,
    Health,
    Observed,
    ObservedService,
)
from hosting.engines.refusals import VOLUME_SERVICE
from hosting.engines.wanted import Stack

RUNNING = (ContainerState.RUNNING, ContainerState.RESTARTING, ContainerState.PAUSED)


class Kind(StrEnum):
    """In what way something differs. The same words as ``models.Drift.Kind``."""

    MISSING = "missing"
    STOPPED = "stopped"
    PAUSED = "paused"
    LOOPING = "looping"
    UNHEALTHY = "unhealthy"
    CHANGED = "changed"
    DISCONNECTED = "disconnected"
    SURPLUS = "surplus"
    RUNS = "runs"
    NETWORK_MISSING = "network_missing"
    VOLUME_MISSING = "volume_missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: what about which service, network or volume, in one sentence."""

    kind: Kind
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a server should show of an instance, without a secret in it: fit for the database."""

    services: Mapping[str, tuple[str, frozenset[str]]]  # name -> spec hash, networks
    networks: frozenset[str]
    volumes: frozenset[str]

    @classmethod
    def of(cls, stack: Stack) -> Self:
        """What the stack looks like once it is applied."""
        return cls(
            services={
                each.name: (each.spec_hash(), frozenset(one.network for one in each.networks))
                for each in stack.services
            },
            networks=frozenset(each.name for each in stack.networks),
            volumes=frozenset(
                each.name for each in stack.volumes if not (each.external or each.is_spare)
            ),
        )

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> Self:
        """From what ``dump`` gave."""
        return cls(
            services={
                name: (spec, frozenset(networks))
                for name, (spec, networks) in value["services"].items()
            },
            networks=frozenset(value["networks"]),
            volumes=frozenset(value["volumes"]),
        )

    def dump(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "services": {
                name: [spec, sorted(networks)] for name, (spec, networks) in self.services.items()
            },
            "networks": sorted(self.networks),
            "volumes": sorted(self.volumes),
        }


def compare(expected: Expected, observed: Observed) -> tuple[Finding, ...]:
    """Everything in which an instance that should run differs from what was observed of it."""
    return (*_services(expected, observed), *_fabric(expected, observed))


def compare_stopped(expected: Expected, observed: Observed) -> tuple[Finding, ...]:
    """The same for an instance that should be stopped: its data is there, and nothing runs."""
    runs = tuple(
        Finding(Kind.RUNS, each.name, f"{each.name} runs although the instance is stopped")
        for each in observed.services
        if each.state in RUNNING
    )
    return (*runs, *_missing_volumes(expected, observed))


def _services(expected: Expected, observed: Observed) -> Iterator[Finding]:
    by_name: dict[str, list[ObservedService]] = {}
    for each in observed.services:
        if not each.name.startswith(VOLUME_SERVICE):  # a backup reads a volume just now
            by_name.setdefault(each.name, []).append(each)
    for name, (spec, networks) in expected.services.items():
        seen = by_name.pop(name, [])
        # Where there are several, the one that fits is the service, as it is for the engine.
        seen.sort(key=lambda each: each.spec_hash != spec)
        if not seen:
            yield Finding(Kind.MISSING, name, f"{name} has no container")
            continue
        yield from _service(seen[0], spec, networks)
        yield from (_surplus(each) for each in seen[1:])
    for strangers in by_name.values():
        yield from (_surplus(each) for each in strangers)


def _service(seen: ObservedService, spec: str, networks: frozenset[str]) -> Iterator[Finding]:
    name = seen.name
    if seen.spec_hash != spec:
        yield Finding(Kind.CHANGED, name, f"{name} is another container than Berth made")
    elif seen.altered or set(seen.networks) - networks:
        yield Finding(Kind.CHANGED, name, _alteration(seen, networks))
    lost = sorted(networks - set(seen.networks))
    if lost:
        yield Finding(Kind.DISCONNECTED, name, f"{name} is cut off from {', '.join(lost)}")
    yield from _state(seen)


def _alteration(seen: ObservedService, networks: frozenset[str]) -> str:
    """What hands did to it. A network of its own instance may be one too many, too."""
    strange = sorted({*seen.networks, *seen.alien_networks} - networks)
    other = tuple(each for each in seen.altered if each != ALTERED_NETWORKS or not strange)
    parts = [f"{_spoken(other)} changed"] if other else []
    if strange:
        parts.append(f"it was connected to {', '.join(strange)}")
    return f"{seen.name}: {', and '.join(parts)} by hand"


def _state(seen: ObservedService) -> Iterator[Finding]:
    name = seen.name
    match seen.state:
        case ContainerState.RUNNING:
            if seen.health is Health.UNHEALTHY:
                yield Finding(Kind.UNHEALTHY, name, f"{name} runs but is not healthy")
        case ContainerState.RESTARTING:
            yield Finding(Kind.LOOPING, name, f"{name} ends each time it is started")
        case ContainerState.PAUSED:
            yield Finding(Kind.PAUSED, name, f"{name} is paused")
        case ContainerState.MISSING:
            yield Finding(Kind.MISSING, name, f"{name} is being removed")
        case _:
            yield Finding(Kind.STOPPED, name, f"{name} does not run")


def _surplus(seen: ObservedService) -> Finding:
    shown = seen.container_name or seen.container_id[:12]
    return Finding(Kind.SURPLUS, shown, f"the container {shown} is not part of the instance")


def _fabric(expected: Expected, observed: Observed) -> Iterator[Finding]:
    for name in sorted(expected.networks - set(observed.networks)):
        yield Finding(Kind.NETWORK_MISSING, name, f"the network {name} is missing")
    yield from _missing_volumes(expected, observed)


def _missing_volumes(expected: Expected, observed: Observed) -> tuple[Finding, ...]:
    return tuple(
        Finding(Kind.VOLUME_MISSING, name, f"the volume {name} is missing")
        for name in sorted(expected.volumes - set(observed.volumes))
    )


def _spoken(what: tuple[str, ...]) -> str:
    verb = "was" if len(what) == 1 and not what[0].endswith("s") else "were"
    return f"{' and '.join(what)} {verb}"
