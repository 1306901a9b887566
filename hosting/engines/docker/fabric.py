"""Networks and volumes: made, and removed with whatever still clings to them."""

from __future__ import annotations

import time

from docker.errors import APIError, NotFound

from hosting.engines.docker.client import Client
from hosting.engines.docker.errors import status_of, subnet_error, translated
from hosting.engines.docker.spec import network_body, secrets_volume_body, volume_body
from hosting.engines.errors import TryLater
from hosting.engines.wanted import Network, Service, Stack

APPEARANCE_PAUSES = (0.0, 0.3, 0.7)  # seconds


def create_network(client: Client, stack: Stack, network: Network) -> None:
    """Create a network of the stack. Raises ``SubnetTaken``."""
    with translated(f"the network {network.name}"):
        try:
            client.call("POST", "/networks/create", body=network_body(stack, network))
        except APIError as error:
            taken = subnet_error(error, network.subnet)
            if taken is None:
                raise
            if _appears(client, network.name):
                name = network.name
                raise TryLater(f"the network {name} is just being made by somebody else") from error
            raise taken from error


def _appears(client: Client, name: str) -> bool:
    """True where the overlap is with the wanted network itself, which another worker makes now.

    The engine takes the addresses a moment before it shows the network.
    """
    for pause in APPEARANCE_PAUSES:
        time.sleep(pause)
        if any(each["Name"] == name for each in client.api.networks(names=[name])):
            return True
    return False


def create_volume(client: Client, stack: Stack, name: str) -> None:
    """Create a volume of the stack; one that exists stays as it is."""
    with translated(f"the volume {name}"):
        client.call("POST", "/volumes/create", body=volume_body(stack, name))


def create_secrets_volume(client: Client, stack: Stack, service: Service) -> None:
    """Create the volume that holds nothing but the service's secrets."""
    with translated(f"the secrets of the service {service.name}"):
        client.call("POST", "/volumes/create", body=secrets_volume_body(stack, service))


def remove_network(client: Client, network: str) -> None:
    """Remove a network by id, after throwing out the containers that are still in it."""
    with translated(f"the network {network}"):
        try:
            client.api.remove_network(network)
        except NotFound:
            return
        except APIError as error:
            if status_of(error) not in (403, 409):
                raise
            _disconnect_all(client, network)
            client.api.remove_network(network)


def _disconnect_all(client: Client, network: str) -> None:
    try:
        holders = client.api.inspect_network(network)["Containers"] or {}
        for container in holders:
            client.api.disconnect_container_from_network(container, network, force=True)
    except NotFound:
        return  # gone meanwhile: the removal that follows decides


def remove_volume(client: Client, name: str) -> None:
    """Remove a volume; one that is gone already is fine."""
    with translated(f"the volume {name}"):
        try:
            client.api.remove_volume(name)
        except NotFound:
            return
