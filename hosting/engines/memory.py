"""An engine that runs nothing: stacks as values in this process, for tests of what calls engines.

It keeps the contract of ``Engine``, and the contract's test suite runs against it as against the
real ones. What may go wrong is set in ``faults``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_network

from hosting.engines.base import (
    Capacity,
    ContainerState,
    EngineUnavailable,
    Event,
    GiveUp,
    Health,
    Network,
    Observed,
    ObservedService,
    Report,
    RunResult,
    Service,
    Stack,
    SubnetTaken,
    TryLater,
    Usage,
    silent,
)
from hosting.engines.ordering import levels
from hosting.engines.refusals import refuse_unsafe

RunCommand = Callable[[str, str, tuple[str, ...]], RunResult]


def _succeed(instance: str, service: str, command: tuple[str, ...]) -> RunResult:
    return RunResult(exit_code=0, output="")


@dataclass
class Faults:
    """What is wrong with the pretended server; all of it may change between two calls."""

    is_unavailable: bool = False
    missing_images: set[str] = field(default_factory=set)
    unready_services: set[str] = field(default_factory=set)
    taken_subnets: set[str] = field(default_factory=set)
    before_change: Callable[[str], None] = silent  # may sleep, or raise as the engine would


@dataclass(frozen=True)
class _Owned:
    instance: str
    owner: str


@dataclass(frozen=True)
class _Container(_Owned):
    service: Service
    observed: ObservedService
    started: int = 0


@dataclass(frozen=True)
class _Network(_Owned):
    network: Network


class MemoryEngine:
    """Keeps stacks in memory; two of them share nothing."""

    def __init__(
        self, *, capacity: Capacity | None = None, run_command: RunCommand = _succeed
    ) -> None:
        self.faults = Faults()
        self._capacity = capacity or Capacity(Decimal(8), 32 * 1024**3, 100 * 1024**3, "memory")
        self._run_command = run_command
        self._containers: dict[tuple[str, str], _Container] = {}
        self._networks: dict[str, _Network] = {}
        self._volumes: dict[str, _Owned] = {}
        self._events: list[tuple[str, Event]] = []
        self._made = 0
        self._readings = 0

    def capacity(self) -> Capacity:
        """What the pretended server has."""
        self._answer()
        return self._capacity

    def pull(self, stack: Stack, *, report: Report = silent) -> Mapping[str, str]:
        """Every image is there, but for those that ``faults`` says are missing."""
        self._answer()
        for image in stack.images:
            if image in self.faults.missing_images:
                raise GiveUp(f"the image {image} does not exist")
        return {image: image for image in stack.images}

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Create the networks and volumes that are missing."""
        refuse_unsafe(stack)
        self._answer()
        for network in stack.networks:
            if network.name not in self._networks:
                self._change(report, f"creating the network {network.name}")
                self._check_subnet(network)
                self._networks[network.name] = _Network(stack.instance, stack.owner, network)
        for volume in stack.volumes:
            if volume.name not in self._volumes:
                self._change(report, f"creating the volume {volume.name}")
                self._volumes[volume.name] = _Owned(stack.instance, stack.owner)

    def apply(self, stack: Stack, *, report: Report = silent) -> None:
        """Converge to the stack."""
        refuse_unsafe(stack)
        self.pull(stack, report=report)
        self._clear(stack, report)
        self.prepare(stack, report=report)
        for level in levels(stack):
            for service in level:
                self._converge(stack, service, report)

    def is_ready(self, stack: Stack, service: str) -> bool:
        """True for a service that runs, unless ``faults`` says otherwise."""
        self._answer()
        container = self._containers.get((stack.instance, service))
        return container is not None and self._is_ready(container)

    def observe(self, instance: str) -> Observed:
        """What exists of the instance."""
        self._answer()
        seen = (self._seen(each) for each in self._of(instance))
        return Observed(
            instance=instance,
            services=tuple(sorted(seen, key=lambda each: each.name)),
            networks=_names(self._networks, instance),
            volumes=_names(self._volumes, instance),
        )

    def observe_all(self, owner: str) -> Mapping[str, Observed]:
        """What exists of every instance of that owner."""
        self._answer()
        everything = [
            *self._containers.values(),
            *self._networks.values(),
            *self._volumes.values(),
        ]
        instances = {each.instance for each in everything if each.owner == owner}
        return {instance: self.observe(instance) for instance in sorted(instances)}

    def stop(self, stack: Stack, *, report: Report = silent) -> None:
        """Stop the containers, dependants first."""
        self._answer()
        for level in reversed(levels(stack)):
            for service in level:
                container = self._containers.get((stack.instance, service.name))
                if container and container.observed.state is ContainerState.RUNNING:
                    self._change(report, f"stopping {service.name}")
                    self._put(container, ContainerState.EXITED, exit_code=0)
                    self._tell(container, "stop")

    def remove(self, instance: str, *, with_volumes: bool, report: Report = silent) -> None:
        """Remove what belongs to the instance."""
        self._answer()
        for container in self._of(instance):
            self._remove(container, report)
        for name in _names(self._networks, instance):
            self._change(report, f"removing the network {name}")
            del self._networks[name]
        for name in _names(self._volumes, instance) if with_volumes else ():
            self._change(report, f"removing the volume {name}")
            del self._volumes[name]

    def run(
        self, instance: str, service: str, command: tuple[str, ...], *, timeout: timedelta
    ) -> RunResult:
        """Answer with what ``run_command`` makes of it."""
        self._answer()
        container = self._containers.get((instance, service))
        if container is None:
            raise GiveUp(f"the service {service} has no container on the server")
        if container.observed.state is not ContainerState.RUNNING:
            raise TryLater(f"the service {service} is not running")
        return self._run_command(instance, service, command)

    def logs(self, instance: str, service: str, *, lines: int = 200) -> str:
        """A line for each start."""
        self._answer()
        container = self._containers.get((instance, service))
        started = container.started if container else 0
        return "".join([f"{service} started\n"] * started)[-lines * (len(service) + 9) :]

    def usage(self, instances: tuple[str, ...]) -> Mapping[str, tuple[Usage, ...]]:
        """Counters that grow by one with each reading."""
        self._answer()
        self._readings += 1
        count, now = self._readings, datetime.now(UTC)
        return {
            instance: tuple(
                Usage(each.service.name, now, float(count), 1024**2, count, count, count, count, 1)
                for each in self._of(instance)
                if each.observed.state is ContainerState.RUNNING
            )
            for instance in instances
        }

    def events(self, owner: str, *, since: datetime | None = None) -> Iterator[Event]:
        """What has happened, and what happens while this is read; then the stream breaks."""
        self._answer()
        return self._follow(owner, since, 0 if since else len(self._events))

    def _follow(self, owner: str, since: datetime | None, at: int) -> Iterator[Event]:
        while at < len(self._events):
            of, event = self._events[at]
            at += 1
            if of == owner and (since is None or event.occurred_at >= since):
                yield event
        raise EngineUnavailable("the server ended its event stream")

    def _converge(self, stack: Stack, service: Service, report: Report) -> None:
        container = self._containers.get((stack.instance, service.name))
        if container and container.observed.state is ContainerState.RUNNING:
            return
        for dependency in service.depends_on:
            needed = self._containers[stack.instance, dependency]
            report(f"waiting for {dependency} to be ready")
            if not self._is_ready(needed):
                raise TryLater(f"the service {dependency} did not become ready")
        if container is None:
            self._change(report, f"creating {service.name}")
            container = self._create(stack, service)
        self._change(report, f"starting {service.name}")
        container = self._put(container, ContainerState.RUNNING, started=container.started + 1)
        self._tell(container, "start")

    def _clear(self, stack: Stack, report: Report) -> None:
        """Remove the containers and networks that the stack does not have, or not so."""
        for name in _names(self._networks, stack.instance):
            if self._networks[name].network not in stack.networks:
                self._change(report, f"removing the network {name}")
                del self._networks[name]
        for container in self._of(stack.instance):
            if not self._fits(stack, container):
                self._remove(container, report)

    def _fits(self, stack: Stack, container: _Container) -> bool:
        whole = all(each.network in self._networks for each in container.service.networks)
        created = container.observed.state is ContainerState.CREATED
        return whole and not created and container.service in stack.services

    def _create(self, stack: Stack, service: Service) -> _Container:
        self._made += 1
        observed = ObservedService(
            name=service.name,
            container_id=f"{self._made:064x}",
            state=ContainerState.CREATED,
            health=Health.NONE,
            spec_hash=service.spec_hash(),
            image=service.image,
            networks=tuple(sorted(each.network for each in service.networks)),
        )
        container = _Container(stack.instance, stack.owner, service, observed)
        self._containers[stack.instance, service.name] = container
        return container

    def _put(
        self,
        container: _Container,
        state: ContainerState,
        *,
        started: int | None = None,
        exit_code: int | None = None,
    ) -> _Container:
        changed = replace(
            container,
            observed=replace(container.observed, state=state, exit_code=exit_code),
            started=container.started if started is None else started,
        )
        self._containers[container.instance, container.service.name] = changed
        return changed

    def _remove(self, container: _Container, report: Report) -> None:
        self._change(report, f"removing {container.service.name}")
        del self._containers[container.instance, container.service.name]
        self._tell(container, "destroy")

    def _seen(self, container: _Container) -> ObservedService:
        observed = container.observed
        if observed.state is not ContainerState.RUNNING or container.service.readiness is None:
            return observed
        health = Health.HEALTHY if self._is_ready(container) else Health.STARTING
        return replace(observed, health=health)

    def _is_ready(self, container: _Container) -> bool:
        runs = container.observed.state is ContainerState.RUNNING
        return runs and container.service.name not in self.faults.unready_services

    def _of(self, instance: str) -> list[_Container]:
        return [each for each in self._containers.values() if each.instance == instance]

    def _check_subnet(self, wanted: Network) -> None:
        used = self.faults.taken_subnets | {each.network.subnet for each in self._networks.values()}
        if any(ip_network(wanted.subnet).overlaps(ip_network(each)) for each in used):
            raise SubnetTaken(wanted.subnet)

    def _tell(self, container: _Container, action: str) -> None:
        event = Event(container.instance, container.service.name, action, datetime.now(UTC))
        self._events.append((container.owner, event))

    def _change(self, report: Report, line: str) -> None:
        report(line)
        self.faults.before_change(line)
        self._answer()

    def _answer(self) -> None:
        if self.faults.is_unavailable:
            raise EngineUnavailable("the server does not answer")


def _names(objects: Mapping[str, _Owned], instance: str) -> tuple[str, ...]:
    return tuple(sorted(name for name, each in objects.items() if each.instance == instance))
