"""Who reaches whom, tried by connecting from inside real containers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from hosting.engines.wanted import Attachment, Network, Service, Stack
from tests.hosting.engines.doors import DockerBackdoor
from tests.hosting.engines.stacks import Stacks, service

pytestmark = pytest.mark.docker

PORT = 5432
LISTEN = ("python3", "-m", "http.server", str(PORT), "--bind", "0.0.0.0")
# Tries all at once, so that what is blocked costs the patience only once.
CONNECT = """
import concurrent.futures, errno, json, socket, sys
def attempt(host):
    try:
        socket.create_connection((host, int(sys.argv[1])), timeout=1).close()
    except socket.gaierror:
        return "unknown name"
    except TimeoutError:
        return "blocked"
    except OSError as error:
        return errno.errorcode[error.errno]
    return "open"
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    print(json.dumps(dict(zip(sys.argv[2:], pool.map(attempt, sys.argv[2:])))))
"""


def client_stack(stacks: Stacks) -> Stack:
    """As an app is run: the web on both networks, the database on the internal one alone."""
    bare = stacks.make(volume=False)
    front, back = f"{bare.project}-front", f"{bare.project}-back"

    def listener(name: str, *networks: str) -> Service:
        attached = tuple(Attachment(network) for network in networks)
        quick = {"RES_OPTIONS": "timeout:1 attempts:1"}  # unknown names are asked for outside
        return service(name, command=LISTEN, networks=attached, environment=quick)

    return replace(
        bare,
        services=(
            listener("db", back),
            listener("web", front, back),
            listener("worker", back, front),
        ),
        networks=(
            Network(front, stacks.subnets.take(), internal=False),
            Network(back, stacks.subnets.take(), internal=True),
        ),
    )


@pytest.fixture
def outside() -> Iterator[str]:
    """A listening machine that is not this one: a network namespace behind a cable of its own."""
    name = f"berth-{uuid.uuid4().hex[:6]}"
    here, there = "198.51.100.1", "198.51.100.2"
    subprocess.run(["ip", "netns", "add", name], check=True)
    listener = None
    try:
        for command in (
            f"link add {name} type veth peer name eth0 netns {name}",
            f"addr add {here}/30 dev {name}",
            f"link set {name} up",
            f"-n {name} addr add {there}/30 dev eth0",
            f"-n {name} link set eth0 up",
            f"-n {name} route add default via {here}",
        ):
            subprocess.run(["ip", *command.split()], check=True)
        serve = [sys.executable, "-m", "http.server", str(PORT), "--bind", "0.0.0.0"]
        listener = subprocess.Popen(
            ["ip", "netns", "exec", name, *serve], stderr=subprocess.DEVNULL
        )
        await_listening([there])
        yield there
    finally:
        if listener is not None:
            listener.kill()
            listener.wait()
        subprocess.run(["ip", "netns", "delete", name], check=True)  # and its cable with it


def connect(docker: DockerBackdoor, stack: Stack, source: str, *hosts: str) -> dict[str, str]:
    command = ("python3", "-c", CONNECT, str(PORT), *hosts)
    said = docker.engine.run(stack.instance, source, command, timeout=timedelta(seconds=20))
    found: dict[str, str] = json.loads(said.output)
    return found


def addresses(docker: DockerBackdoor, stack: Stack) -> list[str]:
    return [
        end["IPAddress"]
        for each in stack.services
        for end in docker.container(stack, each.name)["NetworkSettings"]["Networks"].values()
    ]


def await_listening(hosts: list[str]) -> None:
    """The host reaches every container: so they do listen, whatever others can see of it."""
    for host in hosts:
        deadline = time.monotonic() + 10
        while not _listens(host):
            assert time.monotonic() < deadline, f"{host} never listened"
            time.sleep(0.05)


def _listens(host: str) -> bool:
    try:
        socket.create_connection((host, PORT), timeout=0.5).close()
    except OSError:
        return False
    return True


def test_nothing_of_another_instance_can_be_reached(docker: DockerBackdoor, stacks: Stacks) -> None:
    ours, theirs = client_stack(stacks), client_stack(stacks)
    docker.engine.apply(ours)
    docker.engine.apply(theirs)
    their_addresses = addresses(docker, theirs)
    their_names = [f"{theirs.project}-{each.name}" for each in theirs.services]
    assert len(their_addresses) == 5
    await_listening(addresses(docker, ours) + their_addresses)
    for source in ("db", "web", "worker"):
        found = connect(docker, ours, source, "db", *their_names, *their_addresses)
        assert found.pop("db") == "open"  # its own: the attempt itself works
        assert "open" not in found.values(), f"from {source}: {found}"
        assert {found[name] for name in their_names} == {"unknown name"}

    # The names that both have mean each one's own.
    own = set(addresses(docker, ours))
    lookup = ("python3", "-c", "import socket; print(socket.gethostbyname('db'))")
    said = docker.engine.run(ours.instance, "web", lookup, timeout=timedelta(seconds=10))
    assert said.output.strip() in own


def test_only_a_service_on_a_normal_network_has_a_way_out(
    docker: DockerBackdoor, stacks: Stacks, outside: str
) -> None:
    stack = client_stack(stacks)
    docker.engine.apply(stack)
    # The worker was attached to the internal network first: the way out is the other one's.
    assert connect(docker, stack, "web", outside) == {outside: "open"}
    assert connect(docker, stack, "worker", outside) == {outside: "open"}
    assert connect(docker, stack, "db", outside) == {outside: "blocked"}


def test_a_fixed_address_is_kept_and_aliases_are_known(
    docker: DockerBackdoor, stacks: Stacks
) -> None:
    bare = stacks.make()
    network = bare.networks[0]
    address = network.subnet.replace("/28", "").rpartition(".")
    fixed = f"{address[0]}.{int(address[2]) + 14}"
    web = service(
        "web", command=LISTEN, networks=(Attachment(network.name, fixed, aliases=("front",)),)
    )
    stack = replace(bare, services=(web,))
    docker.engine.apply(stack)
    assert addresses(docker, stack) == [fixed]
    await_listening([fixed])
    assert set(connect(docker, stack, "web", "web", "front", fixed).values()) == {"open"}
