"""What Docker really holds, read through Docker's own client and without any code of Berth's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import docker
from docker.errors import NotFound

from hosting.engines.labels import LABEL_INSTANCE, LABEL_OWNER, LABEL_SERVICE, LABEL_SPEC

LOCAL = "unix:///var/run/docker.sock"


@dataclass(frozen=True, order=True)
class Container:
    name: str
    service: str
    spec: str
    state: str


@dataclass(frozen=True, order=True)
class Network:
    name: str
    subnet: str
    internal: bool


@dataclass(frozen=True)
class Holding:
    """Objects in the order of their names; doubles show as doubles."""

    containers: tuple[Container, ...] = ()
    networks: tuple[Network, ...] = ()
    volumes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Of everything in it."""
        containers = [each.name for each in self.containers]
        return [*containers, *(each.name for each in self.networks), *self.volumes]


def client(endpoint: str = LOCAL) -> docker.APIClient:
    """A connection to the engine; a forked process gets its own."""
    return _client(endpoint, os.getpid())


@cache
def _client(endpoint: str, _pid: int) -> docker.APIClient:
    return docker.APIClient(base_url=endpoint, timeout=60)


def held(endpoint: str, instance: str, project: str) -> Holding:
    """Everything with the instance's label, or with a name that begins as its objects' names do."""

    def is_its(name: str, labels: Mapping[str, str] | None) -> bool:
        return name.startswith(project) or (labels or {}).get(LABEL_INSTANCE) == instance

    return _holding(endpoint, is_its)


def held_by(endpoint: str, owner: str) -> Holding:
    """Everything of a whole installation."""

    def is_its(name: str, labels: Mapping[str, str] | None) -> bool:
        return name.startswith(f"{owner}-") or (labels or {}).get(LABEL_OWNER) == owner

    return _holding(endpoint, is_its)


def _holding(endpoint: str, is_its: Callable[[str, Mapping[str, str] | None], bool]) -> Holding:
    api = client(endpoint)
    containers = [each for each in api.containers(all=True) if is_its(_name(each), each["Labels"])]
    networks = [each for each in api.networks() if is_its(each["Name"], each["Labels"])]
    volumes = api.volumes()["Volumes"] or []
    return Holding(
        containers=tuple(sorted(map(_container, containers))),
        networks=tuple(sorted(map(_network, networks))),
        volumes=tuple(sorted(e["Name"] for e in volumes if is_its(e["Name"], e["Labels"]))),
    )


def _name(container: Mapping[str, Any]) -> str:
    return str((container["Names"] or [f"/{container['Id']}"])[0].removeprefix("/"))


def _container(listed: Mapping[str, Any]) -> Container:
    labels = listed["Labels"]
    return Container(
        name=_name(listed),
        service=labels.get(LABEL_SERVICE, ""),
        spec=labels.get(LABEL_SPEC, ""),
        state=listed["State"],
    )


def _network(listed: Mapping[str, Any]) -> Network:
    ranges = listed["IPAM"]["Config"] or [{}]
    return Network(listed["Name"], ranges[0].get("Subnet", ""), bool(listed["Internal"]))


def changes_between(endpoint: str, project: str, since: float, until: float) -> list[str]:
    """What happened to the project's objects between two moments (Unix seconds), one line each.

    Health checks are left out: the engine makes them by itself all the time.
    """
    # The engine waits for a moment that is still to come, so whole seconds would not do for it; its
    # client's types know of them alone.
    api: Any = client(endpoint)
    events = api.events(since=str(since), until=str(until), decode=True)
    within = (each for each in events if since <= each["timeNano"] / 1e9 <= until)
    return [line for each in within if (line := _change(each, project))]


def _change(event: Mapping[str, Any], project: str) -> str:
    name = str((event["Actor"].get("Attributes") or {}).get("name") or event["Actor"]["ID"])
    action = str(event["Action"])
    if not name.startswith(project) or action.startswith(("exec_", "health_status")):
        return ""
    return f"{event['Type']} {action} {name.removeprefix(project)}"


def remove_all_of(owner: str, endpoint: str = LOCAL) -> None:
    """Leave nothing of the installation on the engine."""
    api = client(endpoint)
    mine = {"label": f"{LABEL_OWNER}={owner}"}
    _all_at_once(
        partial(api.remove_container, each["Id"], v=True, force=True)
        for each in api.containers(all=True, filters=mine)
    )
    _all_at_once(partial(api.remove_network, each["Id"]) for each in api.networks(filters=mine))
    volumes = api.volumes(filters=mine)["Volumes"] or []
    _all_at_once(partial(api.remove_volume, each["Name"]) for each in volumes)


def _all_at_once(removals: Iterable[Callable[[], object]]) -> None:
    """Some side by side; what is gone already is fine."""

    def make(removal: Callable[[], object]) -> None:
        with suppress(NotFound):
            removal()

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(make, removals))
