"""What people and accidents do to the memory engine's containers behind Berth's back."""

from __future__ import annotations

from dataclasses import replace

from hosting.engines.memory.world import Container, HeldNetwork, Labelled, Loop, World
from hosting.engines.observed import ContainerState, ObjectKind

OOM_EXIT_CODE = 137


class Hands:
    """Every deed changes what the engine shows and tells the events that Docker would.

    A deed on what is not there is a mistake of the test and raises ``LookupError``.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def kill(
        self, instance: str, service: str, *, exit_code: int = OOM_EXIT_CODE, oom: bool = False
    ) -> None:
        """The container ends, and the engine does not start it again."""
        container = self._container(instance, service)
        if oom:
            self._world.tell(container, "oom")
        elif exit_code == OOM_EXIT_CODE:
            self._world.tell(container, "kill")
        self._world.end(container, exit_code=exit_code, oom=oom)

    def loop(
        self,
        instance: str,
        service: str,
        *,
        exit_code: int = 1,
        restarts: int = 10,
        oom: bool = False,
    ) -> None:
        """The container ends each time it is started, a new one too, until ``calm``."""
        container = self._container(instance, service)
        if oom:
            self._world.tell(container, "oom")
        self._world.end(container, exit_code=exit_code, oom=oom)
        self._world.loops[instance, service] = Loop(exit_code, restarts, oom)
        self._world.start(container)
        self._world.tell(container, "die")

    def calm(self, instance: str, service: str) -> None:
        """The cause of the loop is gone: the engine's next attempt succeeds."""
        del self._world.loops[instance, service]
        container = self._world.container(instance, service)
        if container and container.state is ContainerState.RESTARTING:
            restarts = container.restarts
            self._world.start(container)
            container.restarts = restarts + 1

    def make_unhealthy(self, instance: str, service: str) -> None:
        """Its readiness command fails from now on, until it is restarted or replaced."""
        container = self._container(instance, service)
        if container.service is None or container.service.readiness is None:
            raise LookupError(f"{service} declares no readiness, so it has no health")
        container.is_unhealthy = True
        self._world.tell(container, "health_status: unhealthy")

    def start(self, instance: str, service: str) -> None:
        """Run a stopped container."""
        self._world.start(self._container(instance, service))

    def remove_container(self, instance: str, service: str) -> None:
        """Remove it by force, running or not."""
        self._world.remove(self._container(instance, service))

    def rename(self, instance: str, service: str, name: str) -> None:
        self._world.rename(self._container(instance, service), name)

    def alter_limits(self, instance: str, service: str) -> None:
        """Give the container twice the memory."""
        container = self._container(instance, service)
        if container.limits is None:
            raise LookupError(f"{container.name} has no limits")
        container.limits = replace(container.limits, memory_bytes=2 * container.limits.memory_bytes)
        self._world.tell(container, "update")

    def alter_restart_policy(self, instance: str, service: str) -> None:
        """Switch off that the engine restarts it."""
        container = self._container(instance, service)
        container.restart_policy = "no"
        self._world.tell(container, "update")

    def connect(self, instance: str, service: str, network: str) -> None:
        """Put the container into one more network, whosever it is."""
        self._world.connect(self._container(instance, service), network)

    def disconnect(self, instance: str, service: str, network: str) -> None:
        """Take the container out of a network; the engine tells nothing about a container."""
        self._world.disconnect(self._container(instance, service), network)

    def remove_network(self, name: str) -> None:
        """Throw out its containers and remove it."""
        self._world.remove_network(name)

    def remove_volume(self, name: str) -> None:
        """It is gone, whatever used it."""
        self._world.remove_volume(name)

    def fill(self, volume: str, tar: bytes) -> None:
        """Put the files of that tar into a volume."""
        self._world.volumes.held(volume)
        self._world.files[volume] = tar

    def add_stray(
        self, kind: ObjectKind, name: str, *, owner: str, instance: str = "", network: str = ""
    ) -> str:
        """Something with Berth's labels that Berth did not make; a container runs.

        A container may be in a network. Without an owner it has no label of Berth's at all.
        Returns a container's id, the name of anything else.
        """
        match kind:
            case ObjectKind.NETWORK:
                self._world.add_network(HeldNetwork(name, instance, owner, None))
                return name
            case ObjectKind.VOLUME:
                self._world.volumes.put(Labelled(name, instance, owner))
                return name
            case ObjectKind.CONTAINER:
                stray = Container(self._world.new_id(), name, instance, owner, "stray")
                self._world.add(stray)
                if network:
                    self._world.connect(stray, network)
                self._world.start(stray)
                return stray.id

    def _container(self, instance: str, service: str) -> Container:
        container = self._world.container(instance, service)
        if container is None:
            raise LookupError(f"{instance} has no container of {service}")
        return container
