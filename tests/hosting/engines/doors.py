"""What happens to engines behind their back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol

from docker import APIClient
from docker.errors import NotFound

from hosting.engines.base import LABEL_OWNER, Engine, RunResult, Stack
from hosting.engines.docker import DockerEngine
from hosting.engines.memory import MemoryEngine

SOCKET = "unix:///var/run/docker.sock"


class Backdoor(Protocol):
    """What the world does to an engine without asking it."""

    @property
    def engine(self) -> Engine: ...

    def break_engine(self) -> Engine: ...

    def stop_container(self, stack: Stack, service: str) -> None: ...

    def remove_network(self, stack: Stack, network: str) -> None: ...


def answers(instance: str, service: str, command: tuple[str, ...]) -> RunResult:
    """What the commands of the contract's tests do."""
    known = {"echo": RunResult(0, "hello\n"), "false": RunResult(1, "")}
    return known[command[0]]


class MemoryBackdoor:
    """The hidden side of a ``MemoryEngine``."""

    def __init__(self) -> None:
        self.engine = MemoryEngine(run_command=answers)

    def break_engine(self) -> Engine:
        self.engine.faults.is_unavailable = True
        return self.engine

    def stop_container(self, stack: Stack, service: str) -> None:
        self.engine.hands.kill(stack.instance, service, exit_code=0)

    def remove_network(self, stack: Stack, network: str) -> None:
        self.engine.hands.remove_network(network)


class DockerBackdoor:
    """The hidden side of a Docker Engine: its own API."""

    def __init__(self, api: APIClient) -> None:
        self.api = api
        self.engine = DockerEngine.connect(SOCKET)

    def break_engine(self) -> Engine:
        return DockerEngine.connect("unix:///nonexistent/docker.sock")

    def container(self, stack: Stack, service: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.api.inspect_container(f"{stack.project}-{service}")
        return shown

    def stop_container(self, stack: Stack, service: str) -> None:
        self.api.stop(f"{stack.project}-{service}", timeout=1)

    def remove_network(self, stack: Stack, network: str) -> None:
        for each in self.api.inspect_network(network)["Containers"]:
            self.api.disconnect_container_from_network(each, network, force=True)
        self.api.remove_network(network)


def sweep(api: APIClient, owner: str) -> None:
    """Remove whatever carries this owner's label, with Docker's own calls."""
    filters = {"label": [f"{LABEL_OWNER}={owner}"]}

    def remove(deed: Callable[..., object], name: str, **how: bool) -> None:
        with suppress(NotFound):
            deed(name, **how)

    with ThreadPoolExecutor(4) as pool:
        for container in api.containers(all=True, filters=filters):
            pool.submit(remove, api.remove_container, container["Id"], force=True, v=True)
    with ThreadPoolExecutor(4) as pool:
        for network in api.networks(filters=filters):
            pool.submit(remove, api.remove_network, network["Id"])
        for volume in api.volumes(filters=filters)["Volumes"] or []:
            pool.submit(remove, api.remove_volume, volume["Name"], force=True)
    left = [*api.containers(all=True, filters=filters), *api.networks(filters=filters)]
    assert not left, f"the test left {left}"
