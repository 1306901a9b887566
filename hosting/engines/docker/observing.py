"""What the engine lists, turned into Berth's ``Observed`` values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from docker.errors import NotFound

from hosting.engines.base import (
    ALTERED_NAME,
    LABEL_INSTANCE,
    LABEL_SERVICE,
    LABEL_SPEC,
    ContainerState,
    Health,
    Observed,
    ObservedService,
)
from hosting.engines.docker.client import Client, translated
from hosting.engines.docker.limits import altered_limits
from hosting.engines.docker.spec import LABEL_PROJECT, LABEL_SECRETS_OF, container_name

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
    return grouped(containers, networks, volumes)


def find_instance(client: Client, instance: str) -> Found:
    """What exists of one instance; empty where nothing does."""
    found = find(client, f"{LABEL_INSTANCE}={instance}")
    return found.get(instance, Found(observed=Observed(instance=instance)))


def grouped(
    containers: Iterable[Mapping[str, Any]],
    networks: Iterable[Mapping[str, Any]],
    volumes: Iterable[Mapping[str, Any]],
) -> dict[str, Found]:
    """The engine's three lists, sorted by instance."""
    of_networks = _by_instance(networks)
    of_containers = _by_instance(containers)
    of_volumes = _by_instance(volumes)
    return {
        instance: _found(
            instance, of_containers[instance], of_networks[instance], of_volumes[instance]
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
) -> Found:
    known = tuple(sorted((_network(each) for each in networks), key=lambda each: each.name))
    ids = frozenset(network.id for network in known)
    services = (observed_service(each, ids) for each in containers)
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


def observed_service(listed: Mapping[str, Any], network_ids: frozenset[str]) -> ObservedService:
    """One entry of the container list; the ids are those of the networks that exist now.

    A container remembers a network that was removed, and then cannot start: such a one does not
    count as its network.
    """
    attached = (listed.get("NetworkSettings") or {}).get("Networks") or {}
    labels = listed["Labels"] or {}
    name = _own_name(listed.get("Names"))
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
        container_name=name,
        altered=() if name in ("", _given_name(labels, name)) else (ALTERED_NAME,),
    )


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
