"""Two clients' instances on one server: who reaches whom, and what each may use."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from pytest_django import Settings

from hosting.models import Instance, Plan, Server
from tenants.models import Client
from tenants.services import clients
from tenants.services.actors import Actor
from tests.journeys.inside import Inside, reached_by_a_stranger
from tests.journeys.portal import Edge, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
PORTS = {"web": 8000, "db": 5432, "redis": 6379}
STRANGER = "berth.local/debian:bookworm-slim"
METADATA = "169.254.169.254"
PUBLIC = "198.51.100.77"  # a range kept for documentation, so that nobody owns it
MEBIBYTE = 1024**2


@pytest.fixture
def bobs(db: None, actor: Actor) -> Client:
    """A second client."""
    return clients.create(name="Bobs Books", slug="bobs", timezone="UTC", actor=actor)


@pytest.fixture
def host_port() -> Iterator[int]:
    """A process of the host that listens on every address, as careless programs do."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        server.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    server.accept()[0].close()
                except TimeoutError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        over.set()
        thread.join(5)


@pytest.fixture
def beyond() -> Iterator[int]:
    """A machine beyond this one that has the metadata address and a public one; gives its port."""
    name, wire, near, far = "berthjourney", "berthjrn0", "192.168.221.1", "192.168.221.2"
    port = 8099
    with _namespace(name):
        for command in (
            f"link add {wire} type veth peer name eth0 netns {name}",
            f"addr add {near}/30 dev {wire}",
            f"link set {wire} up",
            f"-n {name} addr add {far}/30 dev eth0",
            f"-n {name} addr add {METADATA}/32 dev eth0",
            f"-n {name} addr add {PUBLIC}/32 dev eth0",
            f"-n {name} link set eth0 up",
            f"-n {name} route add default via {near}",
            f"route add {METADATA}/32 via {far}",
            f"route add {PUBLIC}/32 via {far}",
        ):
            ip(*command.split())
        serve = [sys.executable, "-m", "http.server", str(port), "--bind", "0.0.0.0"]
        with subprocess.Popen(
            ["ip", "netns", "exec", name, *serve], stderr=subprocess.DEVNULL
        ) as process:
            try:
                wait_until(lambda: connects(METADATA, port), seconds=10, what="it listens")
                yield port
            finally:
                process.kill()


@contextmanager
def _namespace(name: str) -> Iterator[None]:
    ip("netns", "add", name)
    try:
        yield
    finally:
        ip("netns", "delete", name)  # and its cable and routes with it


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=20)


def connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def own_address() -> str:
    """The address with which this host goes out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("203.0.113.1", 9))  # sends nothing
        return str(probe.getsockname()[0])


def addresses(them: Inside) -> set[str]:
    """Every service of theirs on each of its addresses."""
    return {
        f"{end['IPAddress']}:{PORTS[name]}" for name, ends in them.ends().items() for end in ends
    }


def names(them: Inside) -> set[str]:
    """Every service of theirs by each name that an engine might know."""
    found = set()
    for service, shown in them.containers().items():
        name, networks = shown["Name"].lstrip("/"), shown["NetworkSettings"]["Networks"]
        known = {name, shown["Config"]["Hostname"]}
        known |= {f"{each}.{network}" for network in networks for each in (service, name)}
        known |= {alias for end in networks.values() for alias in end["Aliases"] or []}
        # The plain names of services both have; they mean each one's own.
        found |= {f"{each}:{PORTS[service]}" for each in known - set(PORTS)}
    return found


def gateways(*instances: Inside) -> set[str]:
    """The host's own addresses in the instances' networks; internal ones do have them."""
    ends = [end for each in instances for ends in each.ends().values() for end in ends]
    shown = {end["NetworkID"]: end["IPAddress"].rpartition(".") for end in ends}
    first = {f"{prefix}.{(int(last) // 16) * 16 + 1}" for prefix, _, last in shown.values()}
    held = json.loads(
        subprocess.run(
            ["ip", "-j", "-4", "addr"], check=True, capture_output=True, timeout=20
        ).stdout
    )
    here = {info["local"] for link in held for info in link["addr_info"]}
    assert first <= here, f"{first - here} are not addresses of this host"
    return first


@pytest.fixture
def open_edge(settings: Settings, request: pytest.FixtureRequest) -> Edge:
    """An edge that listens on every address of the host, as it does in production."""
    settings.BERTH_EDGE_ADDRESS = "0.0.0.0"
    edge: Edge = request.getfixturevalue("edge")
    return edge


def test_nobody_reaches_another_client_or_the_host(
    open_edge: Edge, running: Order, bobs: Client, host_port: int, beyond: int
) -> None:
    Plan.objects.create(
        slug="roomy", name="Roomy", cpus=Decimal(4), memory_mb=1024, disk_gb=5, processes=1024
    )
    ours = Inside(running("book", plan="roomy"))
    theirs = Inside(running("book", plan="roomy", client=bobs))
    own = "db:5432"

    # The attempts work: among themselves, and from where Berth's rules do not apply.
    among_themselves = {f"{name}:{port}" for name, port in PORTS.items()}
    for found in theirs.reached_from_each(among_themselves, own=own).values():
        assert found == among_themselves - {own}
    assert theirs.reached("web", addresses(theirs), own=own) == addresses(theirs)
    here = (*gateways(ours, theirs), own_address())
    host = {f"{each}:{port}" for each in here for port in (host_port, open_edge.port)}
    metadata = f"{METADATA}:{beyond}"
    assert reached_by_a_stranger(STRANGER, [*host, metadata]) == {*host, metadata}

    portal = {f"{each}:{port}" for each in here for port in portal_ports()}
    forbidden = {*addresses(theirs), *names(theirs), *host, metadata, *portal}
    assert ours.reached_from_each(forbidden, own=own) == {"web": set(), "db": set(), "redis": set()}

    # The web service may call others in the world; database and Redis have no way out at all.
    outside = f"{PUBLIC}:{beyond}"
    assert ours.reached_from_each([outside], own=own) == {
        "web": {outside},
        "db": set(),
        "redis": set(),
    }


def portal_ports() -> tuple[int, ...]:
    """Where Berth's own PostgreSQL and Redis listen."""
    database = settings.DATABASES["default"]
    return int(database["PORT"] or 5432), urlsplit(settings.REDIS_URL).port or 6379


FORK = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
count = 0
try:
    while count < 400:
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            time.sleep(20)
            os._exit(0)
        count += 1
except OSError as error:
    print(count, error.strerror)
os.killpg(0, signal.SIGTERM)  # a command run in a container leads a group of its own
"""
TAKE = "import sys; bytearray(int(sys.argv[1]) * 1024 * 1024); print('had it')"


def test_an_instance_gets_what_its_plan_says_and_no_privilege(
    running: Order, docker_server: Server
) -> None:
    """The small plan (1 CPU, 512 MiB, 256 processes), shared by the guestbook's services."""
    here = Inside(running("book"))
    shares = {"web": 0.4, "db": 0.4, "redis": 0.2}
    shown = here.containers()
    assert set(shown) == set(shares)
    for name, share in shares.items():
        host, config = shown[name]["HostConfig"], shown[name]["Config"]
        assert host["NanoCpus"] == int(share * 10**9)
        assert host["Memory"] == host["MemorySwap"] == int(512 * MEBIBYTE * share)
        assert host["PidsLimit"] == int(256 * share)
        assert host["LogConfig"] == {
            "Type": "json-file",
            "Config": {"max-size": str(10 * MEBIBYTE), "max-file": "3"},
        }
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert not host["Privileged"]
        assert not host["PortBindings"]
        assert not host["PublishAllPorts"]
        assert not any((shown[name]["NetworkSettings"]["Ports"] or {}).values())
        assert not host["Binds"]
        assert not host["Devices"]
        assert {each["Type"] for each in shown[name]["Mounts"]} == {"volume"}
        assert host["PidMode"] == host["UTSMode"] == ""
        assert host["IpcMode"] == "private"
        assert not config["User"].startswith(("0", "root"))
    networks = {name: sorted(each["NetworkSettings"]["Networks"]) for name, each in shown.items()}
    project = here.instance.project
    assert networks == {
        "web": [f"{project}-backend", f"{project}-front"],
        "db": [f"{project}-backend"],
        "redis": [f"{project}-backend"],
    }

    status = here.run("web", "cat", "/proc/1/status")
    assert "CapEff:\t0000000000000000" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status

    assert here.run("web", "python3", "-c", TAKE, "50").strip() == "had it"
    greedy = ("sh", "-c", f'python3 -c "{TAKE}" 400; echo $?')
    assert "137" in here.run("web", *greedy).split()  # killed by the kernel
    count, _, reason = here.run("web", "python3", "-c", FORK).strip().partition(" ")
    assert reason == "Resource temporarily unavailable"
    assert 50 < int(count) < int(256 * 0.4)
