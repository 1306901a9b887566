"""What has to happen so that what is there becomes what is wanted: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network

from hosting.engines.docker.observing import Found, FoundNetwork
from hosting.engines.observed import ALTERED_NAME, ContainerState, ObservedService
from hosting.engines.wanted import Network, Service, Stack


class Action(StrEnum):
    """What a service needs."""

    KEEP = "keep"
    ADJUST = "adjust"  # it runs, but somebody changed it by hand: put right while it runs
    START = "start"
    RESUME = "resume"  # somebody paused it
    CREATE = "create"
    REPLACE = "replace"

    @property
    def leaves_it_running(self) -> bool:
        """True where the service runs already and goes on."""
        return self in (Action.KEEP, Action.ADJUST)


@dataclass(frozen=True, slots=True)
class Plan:
    """The way from ``Found`` to a ``Stack``."""

    services: Mapping[str, Action]
    surplus: tuple[ObservedService, ...]  # containers of the instance that the stack has not
    networks: tuple[Network, ...]  # to be created
    outdated: tuple[FoundNetwork, ...]  # to be removed first: other subnet, other kind, a double
    volumes: tuple[str, ...]  # to be created

    @property
    def changes_nothing(self) -> bool:
        """True where the world is already as the stack says."""
        calm = all(action is Action.KEEP for action in self.services.values())
        return calm and not (self.surplus or self.networks or self.outdated or self.volumes)


def plan(stack: Stack, found: Found) -> Plan:
    """Compare the stack with what was found of it."""
    fitting = _fitting_networks(stack, found)
    chosen = {service.name: container_of(service, found) for service in stack.services}
    kept = {each.container_id for each in chosen.values() if each is not None}
    return Plan(
        services={
            service.name: action(service, chosen[service.name], frozenset(fitting))
            for service in stack.services
        },
        surplus=tuple(each for each in found.observed.services if each.container_id not in kept),
        networks=tuple(each for each in stack.networks if each.name not in fitting),
        outdated=tuple(each for each in found.networks if fitting.get(each.name) != each.id),
        volumes=tuple(
            each.name
            for each in stack.volumes
            if not each.external and each.name not in found.observed.volumes
        ),
    )


def action(service: Service, seen: ObservedService | None, networks: frozenset[str]) -> Action:
    """What one service needs; ``networks`` names those that exist and stay.

    A container that was created but never started may lack its secrets: it is made anew. One that
    is only to be started or resumed may have been changed by hand as well.
    """
    if seen is None:
        return Action.CREATE
    attached = {attachment.network for attachment in service.networks}
    unusable = seen.state in (ContainerState.CREATED, ContainerState.MISSING)
    whole = attached <= networks and attached == set(seen.networks)
    if unusable or not whole or seen.spec_hash != service.spec_hash():
        return Action.REPLACE
    if seen.state is ContainerState.PAUSED:
        return Action.RESUME
    if seen.state is ContainerState.EXITED:
        return Action.START
    return Action.ADJUST if seen.altered else Action.KEEP


def container_of(service: Service, found: Found) -> ObservedService | None:
    """The container to judge the service by: the one that fits best, if there are several."""
    candidates = [each for each in found.observed.services if each.name == service.name]
    digest = service.spec_hash()
    return min(
        candidates,
        key=lambda each: (each.spec_hash != digest, ALTERED_NAME in each.altered),
        default=None,
    )


def _fitting_networks(stack: Stack, found: Found) -> dict[str, str]:
    """The id of the network that may stay, by name; the first one where there are doubles."""
    fitting: dict[str, str] = {}
    for network in stack.networks:
        for each in found.networks:
            if each.name == network.name and _is_same(network, each):
                fitting.setdefault(network.name, each.id)
    return fitting


def _is_same(wanted: Network, seen: FoundNetwork) -> bool:
    return (
        seen.internal == wanted.internal
        and bool(seen.subnet)
        and ip_network(seen.subnet) == ip_network(wanted.subnet)
    )
