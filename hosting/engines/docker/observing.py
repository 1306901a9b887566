"""What the engine lists, turned into Berth's ``Observed`` values."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from docker.errors import NotFound

from hosting.engines.docker.client import Client
from hosting.engines.docker.errors import translated
from hosting.engines.docker.limits import altered_limits
from hosting.engines.docker.spec import LABEL_PROJECT, LABEL_SECRETS_OF, container_name
from hosting.engines.labels import LABEL_INSTANCE, LABEL_SERVICE, LABEL_SPEC
from hosting.engines.observed import (
    ALTERED_NAME,
    ALTERED_NETWORKS,
    ContainerState,
    Health,
    Observed,
    ObservedService,
    Standing,
)

NO_NETWORKS = frozenset({"none", "host"})  # Docker calls them networks; nobody meets anybody there
# "dead" and "removing" are containers on their way out: nothing can be done with them any more.
_STATES = {state.value: state for state in ContainerState} | {
    "dead": ContainerState.MISSING,
    "removing": ContainerState.MISSING,
}
_HEALTHS = (
    ("(healthy)", Health.HEALTHY),
    ("(unhealthy)", Health.UNHEALTHY),
    ("(health: starting)", Health.STARTING),
)
# The list has the exit code only inside the same sentence: "Exited (137) 5 seconds ago".
_ENDED_WITH = re.compile(r"(?:Exited|Restarting) \((\d+)\)")


@dataclass(frozen=True, slots=True)
class FoundNetwork:
    """A network that the engine has, with what tells whether it is the one that is wanted."""

    id: str
    name: str
    subnet: str
    internal: bool


@dataclass(frozen=True, slots=True)
class Found:
    """All that one round of list calls shows of one instance."""

    observed: Observed
    networks: tuple[FoundNetwork, ...] = ()
    secret_volumes: tuple[str, ...] = ()


def find(client: Client, label: str) -> dict[str, Found]:
    """Everything that carries the label (``key=value``), by instance: one list call a kind.

    What carries no instance label is under ``""``.
    """
    filters = {"label": [label]}
    with translated("the list of containers"):
        containers = client.api.containers(all=True, filters=filters)
    with translated("the list of networks"):
        networks = client.api.networks(filters=filters)
    with translated("the list of volumes"):
        volumes = client.api.volumes(filters=filters)["Volumes"] or []
    return grouped(containers, networks, volumes, _other_networks(client, containers, networks))


def _other_networks(
    client: Client, containers: Iterable[Mapping[str, Any]], networks: Iterable[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """The networks without the label; asked for only if a container names one that has it not.

    That may be one that somebody connected it to, or one that was removed since.
    """
    known = {each["Id"] for each in networks}
    named = {end["NetworkID"] for each in containers for end in _ends(each).values()}
    if named <= known:
        return ()
    with translated("the list of networks"):
        listed = client.api.networks()
    return [each for each in listed if each["Id"] not in known]


def find_instance(client: Client, instance: str) -> Found:
    """What exists of one instance; empty where nothing does."""
    found = find(client, f"{LABEL_INSTANCE}={instance}")
    return found.get(instance, Found(observed=Observed(instance=instance)))


def grouped(
    containers: Iterable[Mapping[str, Any]],
    networks: Iterable[Mapping[str, Any]],
    volumes: Iterable[Mapping[str, Any]],
    other_networks: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Found]:
    """The engine's three lists, sorted by instance.

    A container may be in one of the other networks, or in another instance's.
    """
    networks = list(networks)
    everywhere = {each["Id"]: each["Name"] for each in (*networks, *other_networks)}
    of_networks = _by_instance(networks)
    of_containers = _by_instance(containers)
    of_volumes = _by_instance(volumes)
    return {
        instance: _found(
            instance,
            of_containers[instance],
            of_networks[instance],
            of_volumes[instance],
            everywhere,
        )
        for instance in sorted({*of_networks, *of_containers, *of_volumes})
    }


def _by_instance(objects: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in objects:
        groups[(each["Labels"] or {}).get(LABEL_INSTANCE, "")].append(each)
    return groups


def _found(
    instance: str,
    containers: list[Mapping[str, Any]],
    networks: list[Mapping[str, Any]],
    volumes: list[Mapping[str, Any]],
    everywhere: Mapping[str, str],
) -> Found:
    known = tuple(sorted((_network(each) for each in networks), key=lambda each: each.name))
    ids = frozenset(network.id for network in known)
    services = (observed_service(each, ids, everywhere) for each in containers)
    observed = Observed(
        instance=instance,
        services=tuple(sorted(services, key=lambda each: (each.name, each.container_id))),
        networks=tuple(network.name for network in known),
        volumes=tuple(sorted(each["Name"] for each in volumes)),
    )
    secret = (each["Name"] for each in volumes if LABEL_SECRETS_OF in (each["Labels"] or {}))
    return Found(observed=observed, networks=known, secret_volumes=tuple(sorted(secret)))


def _network(listed: Mapping[str, Any]) -> FoundNetwork:
    ranges = listed["IPAM"]["Config"] or [{}]
    return FoundNetwork(
        id=listed["Id"],
        name=listed["Name"],
        subnet=ranges[0].get("Subnet", ""),
        internal=listed["Internal"],
    )


def observed_service(
    listed: Mapping[str, Any],
    network_ids: frozenset[str],
    everywhere: Mapping[str, str] = MappingProxyType({}),
) -> ObservedService:
    """One entry of the container list; the ids are those of its instance's networks that exist now.

    A container remembers a network that was removed, and then cannot start: such a one does not
    count as its network. ``everywhere`` has all networks that exist, name by id.
    """
    attached = _ends(listed)
    labels = listed["Labels"] or {}
    name = _own_name(listed.get("Names"))
    aliens = tuple(sorted(_aliens(attached, network_ids, everywhere)))
    return ObservedService(
        name=labels.get(LABEL_SERVICE, ""),
        container_id=listed["Id"],
        state=_STATES.get(listed["State"], ContainerState.MISSING),
        health=_health(listed.get("Status", "")),
        spec_hash=labels.get(LABEL_SPEC, ""),
        image=listed["Image"],
        networks=tuple(
            sorted(each for each, end in attached.items() if end["NetworkID"] in network_ids)
        ),
        alien_networks=aliens,
        container_name=name,
        altered=_altered(labels, name, aliens),
    )


def standing(listed: Mapping[str, Any]) -> Standing:
    """One entry of the container list, as far as it tells whether the container is well."""
    status = listed.get("Status", "")
    ended = _ENDED_WITH.match(status)
    return Standing(
        service=listed["Labels"][LABEL_SERVICE],
        state=_STATES.get(listed["State"], ContainerState.MISSING),
        health=_health(status),
        spec_hash=listed["Labels"].get(LABEL_SPEC, ""),
        exit_code=int(ended[1]) if ended else None,
    )


def _ends(listed: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The container's places in networks, by the network's name."""
    return (listed.get("NetworkSettings") or {}).get("Networks") or {}


def _aliens(
    attached: Mapping[str, Mapping[str, Any]],
    network_ids: frozenset[str],
    everywhere: Mapping[str, str],
) -> Iterator[str]:
    """The networks that hold it, exist, and are not its instance's."""
    for name, end in attached.items():
        network = end["NetworkID"]
        if network:
            is_other = network in everywhere and network not in network_ids
        else:
            # To one that was connected while it was stopped, the engine gives no id as yet.
            is_other = _is_name_of_another(name, network_ids, everywhere)
        if is_other and name not in NO_NETWORKS:
            yield name


def _is_name_of_another(
    name: str, network_ids: frozenset[str], everywhere: Mapping[str, str]
) -> bool:
    """Whether there is such a network, and its instance has none of that name."""
    own = {everywhere.get(each) for each in network_ids}
    return name not in own and name in everywhere.values()


def _altered(labels: Mapping[str, str], name: str, aliens: tuple[str, ...]) -> tuple[str, ...]:
    """What a list shows that hands have changed; on a container that Berth made."""
    changes = {
        ALTERED_NAME: name not in ("", _given_name(labels, name)),
        ALTERED_NETWORKS: bool(aliens) and LABEL_SERVICE in labels,
    }
    return tuple(change for change, is_so in changes.items() if is_so)


def _own_name(names: list[str] | None) -> str:
    """The container's name: others in the list are what it is called in links, ``/other/name``."""
    own = (name.removeprefix("/") for name in names or ())
    return next((name for name in own if "/" not in name), "")


def _given_name(labels: Mapping[str, str], default: str) -> str:
    """The name that Berth gave it, by its labels; the default for one that lacks them."""
    project, service = labels.get(LABEL_PROJECT), labels.get(LABEL_SERVICE)
    return container_name(project, service) if project and service else default


def _health(status: str) -> Health:
    """The list has the health only inside the sentence that it shows to people."""
    return next((health for mark, health in _HEALTHS if mark in status), Health.NONE)


def looked_at(client: Client, service: ObservedService) -> ObservedService:
    """The same, with what only a look at it shows; ``MISSING`` where it has just been removed."""
    with translated(f"the container of the service {service.name}"):
        try:
            shown = client.api.inspect_container(service.container_id)
        except NotFound:
            return replace(service, state=ContainerState.MISSING)
    state = shown["State"]
    is_over = state["Status"] in ("exited", "dead", "restarting")
    changes = altered_limits(shown, frozenset())
    if changes:
        # Rarely asked: the kernel may just not be able to do what the label says.
        changes = altered_limits(shown, client.unenforced)
    return replace(
        service,
        state=_STATES.get(state["Status"], ContainerState.MISSING),
        exit_code=state["ExitCode"] if is_over else None,
        oom_killed=bool(state["OOMKilled"]),
        restarts=shown["RestartCount"],
        altered=service.altered + changes,
    )
