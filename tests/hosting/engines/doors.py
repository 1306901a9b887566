"""What hands and accidents do to engines behind their back, and the way to try it on each."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import repeat
from typing import Any, Protocol

from docker import APIClient
from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool

from hosting.engines.base import Engine
from hosting.engines.docker import DockerEngine
from hosting.engines.errors import CommandFailed
from hosting.engines.labels import LABEL_INSTANCE, LABEL_OWNER
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ObjectKind, RunResult
from hosting.engines.wanted import Stack
from tests.hosting.engines.stacks import IMAGE, Subnets

SOCKET = "unix:///var/run/docker.sock"


def cli(*words: str) -> None:
    """What a person types after ``docker``."""
    subprocess.run(["docker", "-H", SOCKET, *words], check=True, stdout=subprocess.DEVNULL)


class Backdoor(Protocol):
    """What the world does to an engine without asking it."""

    @property
    def engine(self) -> Engine: ...

    def break_engine(self) -> Engine: ...

    def stop_container(self, stack: Stack, service: str) -> None: ...

    def remove_container(self, stack: Stack, service: str) -> None: ...

    def rename(self, stack: Stack, service: str, name: str) -> None: ...

    def alter_limits(self, stack: Stack, service: str) -> None: ...

    def alter_restart_policy(self, stack: Stack, service: str) -> None: ...

    def make_unhealthy(self, stack: Stack, service: str) -> None: ...

    def connect(self, stack: Stack, service: str, network: str) -> None: ...

    def disconnect(self, stack: Stack, service: str, network: str) -> None: ...

    def remove_network(self, stack: Stack, network: str) -> None: ...

    def remove_volume(self, stack: Stack, volume: str) -> None: ...

    def add_stray(
        self, kind: ObjectKind, name: str, *, owner: str, instance: str = "", network: str = ""
    ) -> str: ...


SAY = ("echo", "hello")
MANY = ("head", "-c", "8000000", "/dev/zero")
FAIL = ("sh", "-c", "printf half; echo it broke >&2; echo in two >&2; cat >/dev/null; exit 3")
TALK = ("sh", "-c", "while echo on; do sleep 0.1; done")
COUNT = ("wc", "-c")


def answers(instance: str, service: str, command: tuple[str, ...]) -> RunResult:
    """What the commands of the contract's tests do, where nothing really runs."""
    known = {"echo": RunResult(0, "hello\n"), "false": RunResult(1, "")}
    return known[command[0]]


def says(instance: str, service: str, command: tuple[str, ...]) -> Iterator[bytes]:
    """The same, for those whose output is streamed."""
    if command == FAIL:
        yield b"half"
        raise CommandFailed(service, "sh", 3, "it broke\nin two\n")
    known = {SAY: [b"hello\n"], MANY: repeat(bytes(100_000), 80), TALK: repeat(b"on\n")}
    yield from known[command]


def swallows(instance: str, service: str, command: tuple[str, ...], fed: bytes) -> RunResult:
    """The same, for those that are fed."""
    known = {COUNT: RunResult(0, f"{len(fed)}\n"), FAIL: RunResult(3, "halfit broke\nin two\n")}
    return known[command]


class MemoryBackdoor:
    """The hidden side of a ``MemoryEngine``."""

    def __init__(self) -> None:
        self.engine = MemoryEngine(run_command=answers, read_command=says, feed_command=swallows)

    def break_engine(self) -> Engine:
        self.engine.faults.is_unavailable = True
        return self.engine

    def stop_container(self, stack: Stack, service: str) -> None:
        self.engine.hands.kill(stack.instance, service, exit_code=0)

    def remove_container(self, stack: Stack, service: str) -> None:
        self.engine.hands.remove_container(stack.instance, service)

    def rename(self, stack: Stack, service: str, name: str) -> None:
        self.engine.hands.rename(stack.instance, service, name)

    def alter_limits(self, stack: Stack, service: str) -> None:
        self.engine.hands.alter_limits(stack.instance, service)

    def alter_restart_policy(self, stack: Stack, service: str) -> None:
        self.engine.hands.alter_restart_policy(stack.instance, service)

    def make_unhealthy(self, stack: Stack, service: str) -> None:
        self.engine.hands.make_unhealthy(stack.instance, service)

    def connect(self, stack: Stack, service: str, network: str) -> None:
        self.engine.hands.connect(stack.instance, service, network)

    def disconnect(self, stack: Stack, service: str, network: str) -> None:
        self.engine.hands.disconnect(stack.instance, service, network)

    def remove_network(self, stack: Stack, network: str) -> None:
        self.engine.hands.remove_network(network)

    def remove_volume(self, stack: Stack, volume: str) -> None:
        self.engine.hands.remove_volume(volume)

    def add_stray(
        self, kind: ObjectKind, name: str, *, owner: str, instance: str = "", network: str = ""
    ) -> str:
        return self.engine.hands.add_stray(
            kind, name, owner=owner, instance=instance, network=network
        )


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

    def remove_container(self, stack: Stack, service: str) -> None:
        self.api.remove_container(f"{stack.project}-{service}", force=True, v=True)

    def rename(self, stack: Stack, service: str, name: str) -> None:
        cli("rename", f"{stack.project}-{service}", name)

    def alter_limits(self, stack: Stack, service: str) -> None:
        more = 2 * stack.service(service).limits.memory_bytes
        limits = (f"--memory={more}", f"--memory-swap={more}")
        cli("update", *limits, f"{stack.project}-{service}")

    def alter_restart_policy(self, stack: Stack, service: str) -> None:
        cli("update", "--restart=no", f"{stack.project}-{service}")

    def make_unhealthy(self, stack: Stack, service: str) -> None:
        """Take away what ``stacks.READY_SOON`` looks for, and wait for Docker to notice."""
        container = f"{stack.project}-{service}"
        remove = ["sh", "-c", "until rm /tmp/ready; do sleep 0.1; done"]
        self.api.exec_start(self.api.exec_create(container, remove)["Id"])
        deadline = time.monotonic() + 20
        while self.container(stack, service)["State"]["Health"]["Status"] != "unhealthy":
            assert time.monotonic() < deadline, f"{container} never became unhealthy"
            time.sleep(0.1)

    def connect(self, stack: Stack, service: str, network: str) -> None:
        cli("network", "connect", network, f"{stack.project}-{service}")

    def disconnect(self, stack: Stack, service: str, network: str) -> None:
        cli("network", "disconnect", network, f"{stack.project}-{service}")

    def remove_network(self, stack: Stack, network: str) -> None:
        for each in self.api.inspect_network(network)["Containers"]:
            self.api.disconnect_container_from_network(each, network, force=True)
        self.api.remove_network(network)

    def remove_volume(self, stack: Stack, volume: str) -> None:
        self.api.remove_volume(volume)

    def add_stray(
        self, kind: ObjectKind, name: str, *, owner: str, instance: str = "", network: str = ""
    ) -> str:
        labels = {LABEL_OWNER: owner} | ({LABEL_INSTANCE: instance} if instance else {})
        match kind:
            case ObjectKind.NETWORK:
                pool = IPAMPool(subnet=Subnets().take())
                self.api.create_network(name, ipam=IPAMConfig(pool_configs=[pool]), labels=labels)
                return name
            case ObjectKind.VOLUME:
                self.api.create_volume(name, labels=labels)
                return name
            case ObjectKind.CONTAINER:
                host = self.api.create_host_config(
                    network_mode=network or "none",
                    restart_policy={"Name": "unless-stopped"},
                    init=True,
                )
                sleep = ["sleep", "3600"]
                made = self.api.create_container(
                    IMAGE, sleep, name=name, labels=labels, host_config=host
                )
                self.api.start(made["Id"])
                return str(made["Id"])


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
