"""What is done to one container: create, start, stop, retire, read."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from docker.errors import APIError, NotFound

from hosting.engines.docker.client import Client
from hosting.engines.docker.errors import status_of, translated
from hosting.engines.docker.fabric import create_secrets_volume, remove_volume
from hosting.engines.docker.secret_files import archive
from hosting.engines.docker.spec import (
    SECRETS_DIRECTORY,
    container_body,
    container_name,
    endpoint_body,
    needs_secrets_volume,
    secrets_volume,
)
from hosting.engines.errors import TryLater
from hosting.engines.labels import LABEL_INSTANCE, LABEL_SERVICE
from hosting.engines.observed import ContainerState, ObservedService
from hosting.engines.refusals import held_name
from hosting.engines.wanted import Service, Stack

FREEZE_PAUSES = (0.1, 0.5, 1.0, 2.0)  # seconds


def create(client: Client, stack: Stack, service: Service) -> str:
    """Create the service's container, whole but not started; return its id."""
    if needs_secrets_volume(service):
        # An old one may hold values that were rotated since.
        remove_volume(client, secrets_volume(stack.project, service.name))
        create_secrets_volume(client, stack, service)
    with translated(f"the service {service.name}"):
        container = _create(client, stack, service)
        _put_secrets(client, container, service)
        for attachment in service.networks[1:]:
            endpoint = endpoint_body(service, attachment)
            client.call(
                "POST",
                f"/networks/{attachment.network}/connect",
                body={"Container": container, "EndpointConfig": endpoint},
            )
    return container


def _create(client: Client, stack: Stack, service: Service) -> str:
    try:
        answer: dict[str, Any] = client.call(
            "POST",
            "/containers/create",
            params={"name": container_name(stack.project, service.name)},
            body=container_body(stack, service),
        )
    except APIError as error:
        _refuse_held_name(client, stack, service, error)
        raise
    return str(answer["Id"])


def _refuse_held_name(client: Client, stack: Stack, service: Service, error: APIError) -> None:
    """Raise ``GiveUp`` where the error is that a stranger holds the service's name.

    One of the same instance is being made or removed by somebody just now: that passes.
    """
    if status_of(error) != 409 or "already in use" not in str(error.explanation):
        return
    name = container_name(stack.project, service.name)
    try:
        holder = client.api.inspect_container(name)
    except NotFound:
        return
    if (holder["Config"]["Labels"] or {}).get(LABEL_INSTANCE) != stack.instance:
        raise held_name(service.name, name) from error


def rename(client: Client, stack: Stack, service: Service, container: str) -> None:
    """Give the container its service's name back. Raises ``GiveUp`` where a stranger holds it."""
    with translated(f"the service {service.name}"):
        try:
            client.api.rename(container, container_name(stack.project, service.name))
        except APIError as error:
            if "same name as its current name" in str(error.explanation):
                return
            _refuse_held_name(client, stack, service, error)
            raise


def update(client: Client, service: str, container: str, fields: Mapping[str, object]) -> None:
    """Change fields of its ``HostConfig`` while it runs."""
    with translated(f"the service {service}"):
        client.call("POST", f"/containers/{container}/update", body=fields)


def disconnect(client: Client, seen: ObservedService) -> None:
    """Take the container, running or not, out of the networks that are not its instance's."""
    with translated(f"the service {seen.name}"):
        for network in seen.alien_networks:
            _leave(client, seen.container_id, network)


def _leave(client: Client, container: str, network: str) -> None:
    """Out of the network, or out of what the container remembers of one that is gone."""
    body = {"Container": container, "Force": True}
    try:
        client.call("POST", f"/networks/{network}/disconnect", body=body)
    except APIError as error:
        if status_of(error) != 404 and "is not connected to" not in str(error.explanation):
            raise


def restart(client: Client, seen: ObservedService, grace: timedelta) -> None:
    """Stop the container within its grace, if it runs, and start it."""
    with translated(f"the service {seen.name}"):
        if seen.state is ContainerState.PAUSED:
            client.api.unpause(seen.container_id)
        client.api.restart(seen.container_id, timeout=math.ceil(grace.total_seconds()))


def _put_secrets(client: Client, container: str, service: Service) -> None:
    if not service.secrets:
        return
    if needs_secrets_volume(service):
        client.api.put_archive(container, SECRETS_DIRECTORY, archive(service.secrets, ""))
    else:
        directory = SECRETS_DIRECTORY.lstrip("/")
        client.api.put_archive(container, "/", archive(service.secrets, directory))


def start(client: Client, service: Service, container: str) -> None:
    """Start a container that was created or stopped; one that runs is left alone."""
    needed = {attachment.network for attachment in service.networks}
    with translated(f"the service {service.name}"):
        while True:
            try:
                client.api.start(container)
                return
            except APIError as error:
                gone = _lost_network(client, container, str(error.explanation))
                if gone is None or gone in needed:
                    raise
                # Hands connected it and removed the network: it could not start ever again.
                _leave(client, container, gone)
                needed.add(gone)  # a second time would be for another reason


def _lost_network(client: Client, container: str, text: str) -> str | None:
    """The name of the network that the engine misses, if that is what its error says."""
    missed = re.search(r"network (\S+) not found", text)
    shown = client.api.inspect_container(container)["NetworkSettings"]["Networks"] if missed else {}
    for name, end in shown.items():
        if missed and missed[1] in (name, end["NetworkID"]):
            return str(name)
    return None


def pause(client: Client, service: str, container: str) -> None:
    """Freeze a container that runs; one that is frozen already is left alone."""
    with translated(f"the service {service}"):
        for seconds in FREEZE_PAUSES:
            if _freeze(client, container):
                return
            time.sleep(seconds)
        raise TryLater(f"the server is too busy to pause the service {service}")


def _freeze(client: Client, container: str) -> bool:
    """False where the kernel was too busy to freeze it at once: the engine does not wait."""
    try:
        client.api.pause(container)
    except APIError as error:
        text = str(error.explanation)
        if "unable to freeze" in text:
            return False
        if "is already paused" not in text:
            raise
    return True


def resume(client: Client, service: str, container: str) -> None:
    """Let a paused container go on."""
    with translated(f"the service {service}"):
        try:
            client.api.unpause(container)
        except APIError as error:
            if "is not paused" not in str(error.explanation):
                raise


def stop(client: Client, seen: ObservedService, grace: timedelta) -> None:
    """Ask the container to end, and end it after ``grace``; one that is gone is fine."""
    if seen.state in (ContainerState.EXITED, ContainerState.CREATED, ContainerState.MISSING):
        return
    with translated(f"the service {seen.name}"):
        try:
            if seen.state is ContainerState.PAUSED:
                client.api.unpause(seen.container_id)
            client.api.stop(seen.container_id, timeout=math.ceil(grace.total_seconds()))
        except NotFound:
            return


def remove(client: Client, seen: ObservedService) -> None:
    """Remove the container at once, with the unnamed volumes that its image asked for."""
    with translated(f"the service {seen.name}"):
        try:
            client.api.remove_container(seen.container_id, v=True, force=True)
        except NotFound:
            return
        except APIError as error:
            # Somebody else is removing it: what follows finds it gone, or says what is in the way.
            if status_of(error) != 409 or "already in progress" not in str(error.explanation):
                raise


def retire(client: Client, seen: ObservedService, grace: timedelta) -> None:
    """Stop the container in its own time, then remove it."""
    stop(client, seen, grace)
    remove(client, seen)


def find_id(client: Client, instance: str, service: str) -> str | None:
    """The id of the service's container, None where there is none."""
    labels = [f"{LABEL_INSTANCE}={instance}", f"{LABEL_SERVICE}={service}"]
    with translated(f"the service {service}"):
        found = client.api.containers(all=True, filters={"label": labels})
    return str(found[0]["Id"]) if found else None


def log_tail(client: Client, service: str, container: str, lines: int) -> str:
    """The last lines of stdout and stderr; empty where the container is gone."""
    with translated(f"the log of the service {service}"):
        try:
            raw = client.api.logs(container, stdout=True, stderr=True, tail=lines)
        except NotFound:
            return ""
    return bytes(raw).decode(errors="replace")
