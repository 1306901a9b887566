"""The pretended server: what it holds, and what happens there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hosting.engines.base import Report, silent
from hosting.engines.errors import EngineUnavailable
from hosting.engines.memory.shelf import Shelf, Subnets
from hosting.engines.observed import (
    ALTERED_LIMITS,
    ALTERED_NAME,
    ALTERED_NETWORKS,
    ALTERED_RESTART_POLICY,
    ContainerState,
    Event,
    Health,
    ObservedService,
)
from hosting.engines.wanted import Limits, Network, Service, Stack

RESTART_POLICY = "unless-stopped"
SHOWN_IN_A_LIST = (ALTERED_NAME, ALTERED_NETWORKS)


@dataclass
class Faults:
    """What is wrong with the pretended server; all of it may change between two calls."""

    is_unavailable: bool = False
    missing_images: set[str] = field(default_factory=set)
    unready_services: set[str] = field(default_factory=set)
    taken_subnets: set[str] = field(default_factory=set)
    disk_free_bytes: int | None = None  # instead of what the capacity says
    before_change: Callable[[str], None] = silent  # may sleep, or raise as the engine would


@dataclass(frozen=True)
class Labelled:
    """A volume, or what every object has."""

    name: str
    instance: str
    owner: str


@dataclass(frozen=True)
class HeldNetwork(Labelled):
    """A network; one that was put there by hand has no definition."""

    network: Network | None


@dataclass(frozen=True)
class Loop:
    """How a service ends each time it is started."""

    exit_code: int
    restarts: int
    oom: bool


@dataclass
class Container:
    """A container; one that was put there by hand runs no service."""

    id: str
    name: str
    instance: str
    owner: str
    image: str
    service: Service | None = None
    spec_hash: str = ""
    wanted_name: str = ""
    limits: Limits | None = None
    restart_policy: str = RESTART_POLICY
    networks: set[str] = field(default_factory=set)
    alien_networks: set[str] = field(default_factory=set)
    state: ContainerState = ContainerState.CREATED
    exit_code: int = 0
    oom_killed: bool = False
    restarts: int = 0
    started: int = 0
    is_unhealthy: bool = False

    @property
    def service_name(self) -> str:
        return self.service.name if self.service else ""

    @property
    def is_running(self) -> bool:
        return self.state is ContainerState.RUNNING

    def altered(self) -> tuple[str, ...]:
        """What hands have changed on it."""
        if self.service is None:
            return ()
        changes = {
            ALTERED_NAME: self.name != self.wanted_name,
            ALTERED_NETWORKS: bool(self.alien_networks),
            ALTERED_LIMITS: self.limits != self.service.limits,
            ALTERED_RESTART_POLICY: self.restart_policy != RESTART_POLICY,
        }
        return tuple(name for name, is_so in changes.items() if is_so)


class World:
    """What the server holds. Nothing here asks whether it may."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.containers: Shelf[Container] = Shelf()
        self.networks: Shelf[HeldNetwork] = Shelf()
        self.volumes: Shelf[Labelled] = Shelf()
        self.files: dict[str, bytes] = {}  # a tar for each volume that is not empty
        self.subnets = Subnets()
        self.loops: dict[tuple[str, str], Loop] = {}
        self.events: list[tuple[str, Event]] = []
        self._guests: dict[str, list[Container]] = {}  # of another instance's network
        self._made = 0

    def container(self, instance: str, service: str) -> Container | None:
        """The service's container, None where it is missing."""
        of = self.containers.of(instance).values()
        return next((each for each in of if each.service_name == service), None)

    def by_id(self, container_id: str) -> Container | None:
        return next((each for each in self.containers if each.id == container_id), None)

    def new_id(self) -> str:
        self._made += 1
        return f"{self._made:064x}"

    def create(self, stack: Stack, service: Service, name: str) -> Container:
        """A container of the stack that was not started yet."""
        container = Container(
            id=self.new_id(),
            name=name,
            instance=stack.instance,
            owner=stack.owner,
            image=service.image,
            service=service,
            spec_hash=service.spec_hash(),
            wanted_name=name,
            limits=service.limits,
            networks={each.network for each in service.networks},
        )
        self.add(container)
        return container

    def add(self, container: Container) -> None:
        self.containers.put(container)
        self.tell(container, "create")

    def start(self, container: Container) -> None:
        """Start it; a service that is in a loop is not seen running."""
        container.started += 1
        container.is_unhealthy = False
        loop = self.loops.get((container.instance, container.service_name))
        container.state = ContainerState.RESTARTING if loop else ContainerState.RUNNING
        container.exit_code = loop.exit_code if loop else 0
        container.oom_killed = loop.oom if loop else False
        container.restarts = loop.restarts if loop else 0
        self.tell(container, "start")

    def pause(self, container: Container) -> None:
        container.state = ContainerState.PAUSED
        self.tell(container, "pause")

    def resume(self, container: Container) -> None:
        """Let it go on, if it is paused."""
        if container.state is ContainerState.PAUSED:
            container.state = ContainerState.RUNNING
            self.tell(container, "unpause")

    def end(self, container: Container, *told: str, exit_code: int = 0, oom: bool = False) -> None:
        """Let it end; ``told`` are the events beside its death."""
        container.state = ContainerState.EXITED
        container.exit_code = exit_code
        container.oom_killed = oom
        for action in ("die", *told):
            self.tell(container, action)

    def rename(self, container: Container, name: str) -> None:
        if name in self.containers:
            raise ValueError(f"the name {name} is in use")
        self.containers.pop(container.name)
        container.name = name
        self.containers.put(container)
        self.tell(container, "rename")

    def remove(self, container: Container) -> None:
        if container.state in (ContainerState.RUNNING, ContainerState.RESTARTING):
            self.end(container, exit_code=137)
        self.containers.pop(container.name)
        self.tell(container, "destroy")

    def add_network(self, network: HeldNetwork) -> None:
        self.networks.put(network)
        if network.network is not None:
            self.subnets.take(network.network.subnet)

    def remove_network(self, name: str) -> None:
        """Remove it, after throwing out the containers that are still in it."""
        gone = self.networks.pop(name)
        if gone.network is not None:
            self.subnets.free(gone.network.subnet)
        for container in self.containers.of(gone.instance).values():
            container.networks.discard(name)
        for guest in self._guests.pop(name, ()):
            guest.alien_networks.discard(name)

    def remove_volume(self, name: str) -> None:
        """Remove it with its files. Raises ``KeyError`` where there is none."""
        self.volumes.pop(name)
        self.files.pop(name, None)

    def connect(self, container: Container, network: str) -> None:
        """Put it into a network, its instance's own or not."""
        if self.networks.held(network).instance == container.instance:
            container.networks.add(network)
        else:
            container.alien_networks.add(network)
            self._guests.setdefault(network, []).append(container)

    def disconnect(self, container: Container, network: str) -> None:
        """Take it out of that network. Raises ``KeyError`` where it is not in it."""
        if network in container.alien_networks:
            container.alien_networks.remove(network)
            self._guests[network].remove(container)
        else:
            container.networks.remove(network)

    def tell(self, container: Container, action: str) -> None:
        """Put an event about the container into the stream."""
        event = Event(container.instance, container.service_name, action, datetime.now(UTC))
        self.events.append((container.owner, event))

    def is_ready(self, container: Container) -> bool:
        usable = container.is_running and not container.is_unhealthy
        return usable and container.service_name not in self.faults.unready_services

    def listed(self, container: Container) -> ObservedService:
        """What a list shows of it."""
        return ObservedService(
            name=container.service_name,
            container_id=container.id,
            state=container.state,
            health=self._health(container),
            spec_hash=container.spec_hash,
            image=container.image,
            networks=tuple(sorted(container.networks)),
            alien_networks=tuple(sorted(container.alien_networks)),
            container_name=container.name,
            altered=tuple(each for each in container.altered() if each in SHOWN_IN_A_LIST),
        )

    def _health(self, container: Container) -> Health:
        if not container.is_running or not container.service or not container.service.readiness:
            return Health.NONE
        if container.is_unhealthy:
            return Health.UNHEALTHY
        return Health.HEALTHY if self.is_ready(container) else Health.STARTING

    def answer(self) -> None:
        """Raise ``EngineUnavailable`` where the server is to seem so."""
        if self.faults.is_unavailable:
            raise EngineUnavailable("the server does not answer")

    def change(self, report: Report, line: str) -> None:
        """What comes before each change."""
        report(line)
        self.faults.before_change(line)
        self.answer()
