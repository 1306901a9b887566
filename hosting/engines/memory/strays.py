"""What is done to objects that belong to no instance, on the pretended server."""

from __future__ import annotations

from hosting.engines.base import Report
from hosting.engines.errors import TryLater
from hosting.engines.memory.world import Container, World
from hosting.engines.observed import ContainerState, ObjectKind
from hosting.engines.refusals import not_owned


def can_stop(container: Container) -> bool:
    """True where there is anything to stop."""
    return container.state not in (ContainerState.EXITED, ContainerState.CREATED)


def quarantine(world: World, owner: str, container_id: str, report: Report) -> None:
    """Stop the container for good and cut it off."""
    container = world.by_id(container_id)
    if container is None:
        return
    if container.owner != owner:
        raise not_owned(ObjectKind.CONTAINER, container.name)
    if container.restart_policy != "no":
        world.change(report, f"switching off the restart policy of {container.name}")
        container.restart_policy = "no"
        world.tell(container, "update")
    if can_stop(container):
        world.change(report, f"stopping {container.name}")
        world.end(container, "stop")
    for network in sorted(container.networks | container.alien_networks):
        world.change(report, f"disconnecting {container.name} from {network}")
        world.disconnect(container, network)


def remove_object(world: World, owner: str, kind: ObjectKind, name: str, report: Report) -> None:
    """Remove that one object."""
    match kind:
        case ObjectKind.CONTAINER:
            container = world.containers.get(name) or world.by_id(name)
            if container and _is_owned(container.owner, owner, kind, name):
                world.change(report, f"removing the container {container.name}")
                world.remove(container)
        case ObjectKind.NETWORK:
            network = world.networks.get(name)
            if network and _is_owned(network.owner, owner, kind, name):
                _remove_network(world, name, report)
        case ObjectKind.VOLUME:
            volume = world.volumes.get(name)
            if volume and _is_owned(volume.owner, owner, kind, name):
                _remove_volume(world, name, report)


def _remove_network(world: World, name: str, report: Report) -> None:
    if any(name in each.networks | each.alien_networks for each in world.containers):
        raise TryLater(f"the network {name} still has containers attached")
    world.change(report, f"removing the network {name}")
    world.remove_network(name)


def _remove_volume(world: World, name: str, report: Report) -> None:
    for container in world.containers:
        mounts = container.service.mounts if container.service else ()
        if any(mount.volume == name for mount in mounts):
            raise TryLater(f"the volume {name} is still used by a container")
    world.change(report, f"removing the volume {name}")
    world.remove_volume(name)


def _is_owned(actual: str, wanted: str, kind: ObjectKind, name: str) -> bool:
    """True, or ``GiveUp``."""
    if actual != wanted:
        raise not_owned(kind, name)
    return True
