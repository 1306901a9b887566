"""The verbs of ``Engine`` on a pretended server."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from hosting.engines.base import VOLUME_SILENCE, Report, silent
from hosting.engines.errors import GiveUp
from hosting.engines.memory import convergence, execution, observing, strays, volumes
from hosting.engines.memory.execution import FeedCommand, ReadCommand, RunCommand
from hosting.engines.memory.hands import Hands
from hosting.engines.memory.world import World
from hosting.engines.observed import (
    Capacity,
    ContainerState,
    Event,
    ObjectKind,
    Observed,
    Reading,
    RunResult,
)
from hosting.engines.ordering import levels
from hosting.engines.refusals import refuse_unsafe
from hosting.engines.wanted import Stack

GIB = 1024**3


def _always() -> None:
    """Any change is permitted."""


class MemoryEngine:
    """Keeps stacks in memory; two of them share nothing."""

    def __init__(
        self,
        *,
        capacity: Capacity | None = None,
        run_command: RunCommand = execution.succeed,
        read_command: ReadCommand = execution.say_nothing,
        feed_command: FeedCommand = execution.swallow,
    ) -> None:
        """The commands stand for what programs in containers do.

        A ``read_command`` raises ``CommandFailed`` itself, where it is to fail.
        """
        self._world = World()
        self.faults = self._world.faults
        self.hands = Hands(self._world)
        self._capacity = capacity or Capacity(
            Decimal(8), 32 * GIB, 100 * GIB, "memory", disk_total_bytes=200 * GIB
        )
        self._run_command = run_command
        self._read_command = read_command
        self._feed_command = feed_command
        self._readings = 0
        self._permit: Callable[[], None] = _always

    def permitted(self, permit: Callable[[], None]) -> MemoryEngine:
        """The same stacks, through an engine that asks before each change."""
        twin = copy.copy(self)
        twin._permit = permit
        return twin

    def close(self) -> None:
        """There is no connection."""

    def _told(self, report: Report) -> Report:
        def tell(line: str) -> None:
            report(line)
            self._permit()

        return tell

    def capacity(self) -> Capacity:
        """What the pretended server has."""
        self._world.answer()
        free = self.faults.disk_free_bytes
        return self._capacity if free is None else replace(self._capacity, disk_free_bytes=free)

    def pull(self, stack: Stack, *, report: Report = silent) -> Mapping[str, str]:
        """Every image is there, but for those that ``faults`` says are missing."""
        self._world.answer()
        for image in stack.images:
            if image in self.faults.missing_images:
                raise GiveUp(f"the image {image} does not exist")
        return {image: image for image in stack.images}

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Create the networks and volumes that are missing."""
        refuse_unsafe(stack)
        self._world.answer()
        volumes.refuse_missing(self._world, stack)
        convergence.create_fabric(self._world, stack, self._told(report))

    def apply(self, stack: Stack, *, report: Report = silent) -> None:
        """Converge to the stack."""
        refuse_unsafe(stack)
        self._world.answer()
        volumes.refuse_missing(self._world, stack)
        self.pull(stack, report=report)
        convergence.clear(self._world, stack, self._told(report))
        convergence.create_fabric(self._world, stack, self._told(report))
        for level in levels(stack):
            for service in level:
                convergence.converge(self._world, stack, service, self._told(report))

    def restart(self, stack: Stack, service: str, *, report: Report = silent) -> None:
        """Stop the service's container and start it again."""
        self._world.answer()
        wanted = stack.service(service).name
        container = self._world.container(stack.instance, wanted)
        if container is None or container.state is ContainerState.CREATED:
            raise GiveUp(f"the service {service} has no container on the server")
        self._world.change(self._told(report), f"restarting {service}")
        if container.state is not ContainerState.EXITED:
            self._world.end(container, "stop")
        self._world.start(container)
        self._world.tell(container, "restart")

    def is_ready(self, stack: Stack, service: str) -> bool:
        """True for a service that runs and is well, unless ``faults`` says otherwise."""
        self._world.answer()
        container = self._world.container(stack.instance, service)
        if container is None:
            return False
        convergence.refuse_loop(container)
        return self._world.is_ready(container)

    def observe(self, instance: str) -> Observed:
        """What exists of the instance."""
        self._world.answer()
        return observing.observed(self._world, instance)

    def observe_all(self, owner: str) -> Mapping[str, Observed]:
        """What exists of every instance of that owner."""
        self._world.answer()
        return observing.observed_all(self._world, owner)

    def stop(self, stack: Stack, *, report: Report = silent) -> None:
        """Stop the containers, dependants first."""
        self._world.answer()
        for level in reversed(levels(stack)):
            for service in level:
                container = self._world.container(stack.instance, service.name)
                if container and strays.can_stop(container):
                    self._world.change(self._told(report), f"stopping {service.name}")
                    self._world.end(container, "stop")

    def remove(self, instance: str, *, with_volumes: bool, report: Report = silent) -> None:
        """Remove what belongs to the instance."""
        self._world.answer()
        world = self._world
        for container in world.containers.of(instance).values():
            convergence.remove(world, container, self._told(report))
        for name in sorted(world.networks.of(instance)):
            world.change(self._told(report), f"removing the network {name}")
            world.remove_network(name)
        for name in sorted(world.volumes.of(instance)) if with_volumes else ():
            world.change(self._told(report), f"removing the volume {name}")
            world.remove_volume(name)

    def quarantine(self, owner: str, container_id: str, *, report: Report = silent) -> None:
        """Stop the container for good and cut it off."""
        self._world.answer()
        strays.quarantine(self._world, owner, container_id, self._told(report))

    def remove_object(
        self, owner: str, kind: ObjectKind, name: str, *, report: Report = silent
    ) -> None:
        """Remove that one object."""
        self._world.answer()
        strays.remove_object(self._world, owner, kind, name, self._told(report))

    def run(
        self, instance: str, service: str, command: tuple[str, ...], *, timeout: timedelta
    ) -> RunResult:
        """Answer with what ``run_command`` makes of it."""
        self._world.answer()
        execution.refuse_still(self._world, instance, service)
        return self._run_command(instance, service, command)

    def read(
        self, instance: str, service: str, command: tuple[str, ...], *, silence: timedelta
    ) -> Generator[bytes, None, None]:
        """Yield what ``read_command`` makes of it."""
        self._world.answer()
        execution.refuse_still(self._world, instance, service)
        self._permit()
        for chunk in self._read_command(instance, service, command):
            yield chunk
            self._world.answer()
            execution.refuse_still(self._world, instance, service)

    def feed(
        self,
        instance: str,
        service: str,
        command: tuple[str, ...],
        chunks: Iterable[bytes],
        *,
        silence: timedelta,
    ) -> RunResult:
        """Answer with what ``feed_command`` makes of all the chunks together."""
        self._world.answer()
        execution.refuse_still(self._world, instance, service)
        fed = b"".join(self._with_leave(chunks))
        self._world.answer()
        execution.refuse_still(self._world, instance, service)
        return self._feed_command(instance, service, command, fed)

    def pause(self, instance: str, service: str) -> None:
        """Freeze the service's container."""
        self._world.answer()
        container = execution.present(self._world, instance, service)
        if container.state is not ContainerState.PAUSED:
            execution.refuse_still(self._world, instance, service)
            self._permit()
            self._world.pause(container)

    def resume(self, instance: str, service: str) -> None:
        """Let a paused container go on."""
        self._world.answer()
        container = execution.present(self._world, instance, service)
        self._permit()
        self._world.resume(container)

    def read_volume(
        self, stack: Stack, volume: str, *, silence: timedelta = VOLUME_SILENCE
    ) -> Generator[bytes, None, None]:
        """Yield the tar of the volume's files."""
        self._world.answer()
        tar = volumes.read(self._world, stack, volume)
        for at in range(0, len(tar), volumes.PIECE_BYTES):
            yield tar[at : at + volumes.PIECE_BYTES]
            self._world.answer()

    def write_volume(
        self,
        stack: Stack,
        volume: str,
        chunks: Iterable[bytes],
        *,
        silence: timedelta = VOLUME_SILENCE,
    ) -> None:
        """Put the files of a tar into an empty volume."""
        self._world.answer()
        self._permit()
        volumes.write(self._world, stack, volume, self._with_leave(chunks))

    def logs(self, instance: str, service: str, *, lines: int = 200) -> str:
        """A line for each start."""
        self._world.answer()
        container = self._world.container(instance, service)
        started = min(container.started, lines) if container else 0
        return f"{service} started\n" * started

    def sample(self, instances: tuple[str, ...]) -> Mapping[str, Reading]:
        """Counters that grow by one with each reading."""
        self._world.answer()
        self._readings += 1
        return observing.sampled(self._world, instances, self._readings)

    def volume_sizes(self, instances: tuple[str, ...], *, within: timedelta) -> Mapping[str, int]:
        """The lengths of what the volumes were filled with."""
        self._world.answer()
        return observing.volume_sizes(self._world, instances)

    def events(self, owner: str, *, since: datetime | None = None) -> Iterator[Event]:
        """What has happened, and what happens while this is read; then the stream breaks."""
        self._world.answer()
        at = 0 if since else len(self._world.events)
        return observing.follow(self._world, owner, since, at)

    def _with_leave(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        self._permit()
        for chunk in chunks:
            self._permit()
            yield chunk
