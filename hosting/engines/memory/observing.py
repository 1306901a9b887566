"""What the pretended server shows: its objects, its readings and its events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from hosting.engines.errors import EngineUnavailable
from hosting.engines.memory.world import Container, Labelled, World
from hosting.engines.observed import (
    ContainerState,
    Event,
    Observed,
    ObservedService,
    Reading,
    Standing,
    Usage,
)

_ENDED = (ContainerState.EXITED, ContainerState.RESTARTING)


def observed(world: World, instance: str) -> Observed:
    """What exists of the instance, from a look at each container."""
    return _observed(world, instance, lambda container: _looked_at(world, container))


def observed_all(world: World, owner: str) -> Mapping[str, Observed]:
    """What exists of every instance of that owner, as lists show it."""
    everything = (*world.containers, *world.networks, *world.volumes)
    instances = {each.instance for each in everything if each.owner == owner}
    return {each: _observed(world, each, world.listed, owner) for each in sorted(instances)}


def sampled(world: World, instances: Iterable[str], reading: int) -> Mapping[str, Reading]:
    """How they stand; in each counter of a container that runs is the reading's number."""
    now = datetime.now(UTC)
    held = {each: tuple(world.containers.of(each).values()) for each in instances}
    return {
        instance: Reading(
            standings=tuple(_standing(world, each) for each in of if each.service),
            usages=tuple(_reading(each, now, reading) for each in of if each.is_running),
        )
        for instance, of in held.items()
    }


def _standing(world: World, container: Container) -> Standing:
    seen = world.listed(container)
    return Standing(
        service=seen.name,
        state=seen.state,
        health=seen.health,
        spec_hash=seen.spec_hash,
        exit_code=container.exit_code if seen.state in _ENDED else None,
    )


def volume_sizes(world: World, instances: Iterable[str]) -> Mapping[str, int]:
    """What the volumes of those instances hold, of those that have any."""
    return {
        instance: sum(len(world.files.get(name, b"")) for name in volumes)
        for instance in instances
        if (volumes := world.volumes.of(instance))
    }


def follow(world: World, owner: str, since: datetime | None, at: int) -> Iterator[Event]:
    """That owner's events, from the one at that place in the stream on, until it breaks."""
    while at < len(world.events):
        of, event = world.events[at]
        at += 1
        if of == owner and (since is None or event.occurred_at >= since):
            yield event
    raise EngineUnavailable("the server ended its event stream")


def _observed(
    world: World,
    instance: str,
    show: Callable[[Container], ObservedService],
    owner: str | None = None,
) -> Observed:
    """What carries the instance's label, and the owner's where one is given."""
    containers = world.containers.of(instance).values()
    seen = [show(each) for each in containers if owner in (None, each.owner)]
    return Observed(
        instance=instance,
        services=tuple(sorted(seen, key=lambda each: (each.name, each.container_id))),
        networks=_names(world.networks.of(instance), owner),
        volumes=_names(world.volumes.of(instance), owner),
    )


def _looked_at(world: World, container: Container) -> ObservedService:
    return replace(
        world.listed(container),
        exit_code=container.exit_code if container.state in _ENDED else None,
        oom_killed=container.oom_killed,
        restarts=container.restarts,
        altered=container.altered(),
    )


def _names(objects: Mapping[str, Labelled], owner: str | None) -> tuple[str, ...]:
    return tuple(sorted(name for name, each in objects.items() if owner in (None, each.owner)))


def _reading(container: Container, now: datetime, count: int) -> Usage:
    return Usage(
        service=container.service_name,
        read_at=now,
        cpu_seconds=float(count),
        memory_bytes=1024**2,
        network_received_bytes=count,
        network_sent_bytes=count,
        disk_read_bytes=count,
        disk_written_bytes=count,
        pids=1,
        container_id=container.id,
        cpu_periods=count,
        memory_limit_bytes=container.limits.memory_bytes if container.limits else None,
    )
