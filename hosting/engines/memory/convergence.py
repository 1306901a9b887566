"""From what the pretended server holds to what a stack wants."""

from __future__ import annotations

from ipaddress import ip_network

from hosting.engines.base import Report
from hosting.engines.errors import GiveUp, SubnetTaken, TryLater
from hosting.engines.memory.world import RESTART_POLICY, Container, HeldNetwork, Labelled, World
from hosting.engines.observed import (
    ALTERED_LIMITS,
    ALTERED_NAME,
    ALTERED_NETWORKS,
    ALTERED_RESTART_POLICY,
    ContainerState,
)
from hosting.engines.refusals import held_name
from hosting.engines.wanted import Network, Service, Stack

RESTARTS_THAT_MAKE_A_LOOP = 3


def create_fabric(world: World, stack: Stack, report: Report) -> None:
    """Create the networks and volumes that are missing."""
    for network in stack.networks:
        if network.name not in world.networks:
            world.change(report, f"creating the network {network.name}")
            _check_subnet(world, network)
            world.add_network(HeldNetwork(network.name, stack.instance, stack.owner, network))
    for volume in stack.volumes:
        if not volume.external and volume.name not in world.volumes:
            world.change(report, f"creating the volume {volume.name}")
            world.volumes.put(Labelled(volume.name, stack.instance, stack.owner))


def clear(world: World, stack: Stack, report: Report) -> None:
    """Remove the containers and networks that the stack does not have, or not so."""
    outdated = [
        name
        for name, held in sorted(world.networks.of(stack.instance).items())
        if held.network not in stack.networks
    ]
    for container in world.containers.of(stack.instance).values():
        if not container.networks.isdisjoint(outdated) or not _fits(stack, container):
            remove(world, container, report)
    for name in outdated:
        world.change(report, f"removing the network {name}")
        world.remove_network(name)


def _fits(stack: Stack, container: Container) -> bool:
    if container.service is None or container.state is ContainerState.CREATED:
        return False
    attached = {each.network for each in container.service.networks}
    return container.service in stack.services and container.networks == attached


def remove(world: World, container: Container, report: Report) -> None:
    """Remove the container, whatever it is doing."""
    world.change(report, f"removing {container.service_name or container.name}")
    world.remove(container)


def converge(world: World, stack: Stack, service: Service, report: Report) -> None:
    """Make the service run; one that is in a loop is left to the engine."""
    container = world.container(stack.instance, service.name)
    if container is not None:
        _adjust(world, container, service, report)
        if container.state is ContainerState.PAUSED:
            world.change(report, f"resuming {service.name}")
            world.resume(container)
        if container.state is not ContainerState.EXITED:
            return
    _wait_for_dependencies(world, stack, service, report)
    if container is None:
        name = f"{stack.project}-{service.name}"
        if name in world.containers:
            raise held_name(service.name, name)
        world.change(report, f"creating {service.name}")
        container = world.create(stack, service, name)
    world.change(report, f"starting {service.name}")
    world.start(container)


def _wait_for_dependencies(world: World, stack: Stack, service: Service, report: Report) -> None:
    for dependency in service.depends_on:
        needed = world.container(stack.instance, dependency)
        report(f"waiting for {dependency} to be ready")
        if needed is not None:
            refuse_loop(needed)
        if needed is None or not world.is_ready(needed):
            raise TryLater(f"the service {dependency} did not become ready")


def refuse_loop(container: Container) -> None:
    """Raise ``GiveUp`` for one that ends each time it is started."""
    looping = container.oom_killed or container.restarts >= RESTARTS_THAT_MAKE_A_LOOP
    if container.state is not ContainerState.RESTARTING or not looping:
        return
    what = f"it ends with exit code {container.exit_code} each time it is started"
    if container.oom_killed:
        what = "it was killed because it needed more memory than its limit"
    name = container.service_name
    raise GiveUp(
        f'the service {name} did not become ready: {what}; its last words: "{name} started"'
    )


def _adjust(world: World, container: Container, service: Service, report: Report) -> None:
    """Put right what hands have changed on it."""
    altered = container.altered()
    if ALTERED_NAME in altered:
        name = container.wanted_name
        world.change(report, f"renaming {container.name} back to {name}")
        if name in world.containers:
            raise held_name(service.name, name)
        world.rename(container, name)
    if ALTERED_NETWORKS in altered:
        strange = sorted(container.alien_networks)
        world.change(report, f"disconnecting {service.name} from {', '.join(strange)}")
        for network in strange:
            world.disconnect(container, network)
    if ALTERED_LIMITS in altered:
        world.change(report, f"setting the limits of {service.name} back")
        container.limits = service.limits
        world.tell(container, "update")
    if ALTERED_RESTART_POLICY in altered:
        world.change(report, f"setting the restart policy of {service.name} back")
        container.restart_policy = RESTART_POLICY
        world.tell(container, "update")


def _check_subnet(world: World, wanted: Network) -> None:
    subnet = ip_network(wanted.subnet)
    faulty = any(subnet.overlaps(ip_network(each)) for each in world.faults.taken_subnets)
    if faulty or world.subnets.overlap(wanted.subnet):
        raise SubnetTaken(wanted.subnet)
