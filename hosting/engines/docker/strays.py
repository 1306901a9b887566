"""What is done to labelled objects that belong to no instance."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from docker.errors import APIError, NotFound

from hosting.engines.base import Report
from hosting.engines.docker.client import Client
from hosting.engines.docker.errors import translated
from hosting.engines.labels import LABEL_OWNER
from hosting.engines.observed import ObjectKind
from hosting.engines.refusals import not_owned

GRACE_SECONDS = 10
UPDATE_ATTEMPTS = 10
UPDATE_PAUSE_SECONDS = 0.2
# What runc and containerd say of a process that ended while the engine still took it for running.
_JUST_ENDED = ("cannot update a stopped container", "cannot update a deleted process")
_FIXED_NETWORKS = frozenset({"host", "none"})  # no container can be taken out of these


def quarantine(client: Client, owner: str, container_id: str, report: Report) -> None:
    """Switch off its restarts, stop it and cut it off; see ``Engine.quarantine``."""
    shown = _container(client, container_id)
    if shown is None:
        return
    container, name = shown["Id"], _name(shown)
    _refuse_unowned(owner, ObjectKind.CONTAINER, name, shown["Config"]["Labels"])
    vanishes = shown["HostConfig"]["AutoRemove"]
    if shown["HostConfig"]["RestartPolicy"]["Name"] not in ("", "no"):
        report(f"switching off the restart policy of {name}")
        _on(name, partial(_switch_off_restarts, client, container))
    if not vanishes:
        _stop(client, shown, report)
    _cut_off(client, shown, report)
    if vanishes and shown["State"]["Status"] == "running":
        report(f"pausing {name}")
        _on(name, partial(client.api.pause, container))


def _switch_off_restarts(client: Client, container: str) -> None:
    """Again where the engine refuses: a container that fails over and over ends while it asks."""
    off = {"RestartPolicy": {"Name": "no"}}
    for attempt in range(UPDATE_ATTEMPTS):
        try:
            client.call("POST", f"/containers/{container}/update", body=off)
            return
        except APIError as error:
            last = attempt == UPDATE_ATTEMPTS - 1
            said = str(error.explanation)
            if last or not any(each in said for each in _JUST_ENDED):
                raise
        time.sleep(UPDATE_PAUSE_SECONDS)


def _stop(client: Client, shown: dict[str, Any], report: Report) -> None:
    container, name, status = shown["Id"], _name(shown), shown["State"]["Status"]
    if status not in ("running", "restarting", "paused"):
        return
    report(f"stopping {name}")
    if status == "paused":
        _on(name, partial(client.api.unpause, container))
    _on(name, partial(client.api.stop, container, timeout=GRACE_SECONDS))


def _cut_off(client: Client, shown: dict[str, Any], report: Report) -> None:
    for network in sorted(set(shown["NetworkSettings"]["Networks"] or {}) - _FIXED_NETWORKS):
        name = _name(shown)
        report(f"disconnecting {name} from {network}")
        body = {"Container": shown["Id"], "Force": True}
        path = f"/networks/{network}/disconnect"
        _on(name, partial(client.call, "POST", path, body=body))


def remove_object(client: Client, owner: str, kind: ObjectKind, name: str, report: Report) -> None:
    """Remove that one object; see ``Engine.remove_object``."""
    match kind:
        case ObjectKind.CONTAINER:
            _remove_container(client, owner, name, report)
        case ObjectKind.NETWORK:
            _remove_network(client, owner, name, report)
        case ObjectKind.VOLUME:
            _remove_volume(client, owner, name, report)


def _remove_container(client: Client, owner: str, name: str, report: Report) -> None:
    shown = _container(client, name)
    if shown is None:
        return
    _refuse_unowned(owner, ObjectKind.CONTAINER, _name(shown), shown["Config"]["Labels"])
    report(f"removing the container {_name(shown)}")
    # Unnamed volumes stay too: a person asked for this one object.
    _on(name, partial(client.api.remove_container, shown["Id"], v=False, force=True))


def _remove_network(client: Client, owner: str, name: str, report: Report) -> None:
    with translated(f"the network {name}"):
        listed = client.api.networks(names=[name])  # also those whose names only contain it
    doubles = [each for each in listed if each["Name"] == name]
    if not doubles:
        return
    ours = [each for each in doubles if (each["Labels"] or {}).get(LABEL_OWNER) == owner]
    if not ours:
        raise not_owned(ObjectKind.NETWORK, name)
    report(f"removing the network {name}")
    _on(name, partial(client.api.remove_network, ours[0]["Id"]), kind=ObjectKind.NETWORK)


def _remove_volume(client: Client, owner: str, name: str, report: Report) -> None:
    with translated(f"the volume {name}"):
        try:
            shown = client.api.inspect_volume(name)
        except NotFound:
            return
    _refuse_unowned(owner, ObjectKind.VOLUME, name, shown["Labels"])
    report(f"removing the volume {name}")
    _on(name, partial(client.api.remove_volume, name), kind=ObjectKind.VOLUME)


def _container(client: Client, name: str) -> dict[str, Any] | None:
    """The container of exactly that id or name: the engine takes the beginning of an id too."""
    with translated(f"the container {name}"):
        try:
            shown: dict[str, Any] = client.api.inspect_container(name)
        except NotFound:
            return None
    return shown if name in (shown["Id"], _name(shown)) else None


def _name(shown: dict[str, Any]) -> str:
    return str(shown["Name"]).removeprefix("/")


def _refuse_unowned(owner: str, kind: ObjectKind, name: str, labels: dict[str, str] | None) -> None:
    if (labels or {}).get(LABEL_OWNER) != owner:
        raise not_owned(kind, name)


def _on(name: str, deed: Callable[[], object], *, kind: ObjectKind = ObjectKind.CONTAINER) -> None:
    """Do it to the object; one that is gone meanwhile is fine."""
    with translated(f"the {kind} {name}"):
        try:
            deed()
        except NotFound:
            return
