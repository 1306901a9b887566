"""The packet filter at work: on this host (as root), with real containers and a machine beyond."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import docker
import pytest
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from hosting.engines.firewall import Firewall

pytestmark = pytest.mark.docker

IMAGE = "berth.local/debian:bookworm-slim"
# Apart from the default supernet, whose rules may be in force on this host.
SUPERNET = "10.231.0.0/16"
FIREWALL = Firewall(supernets=(SUPERNET,), resolvers=("192.168.222.53",), name="BERTHTEST")


def iptables(*arguments: str) -> str:
    return subprocess.run(
        ["/usr/sbin/iptables", "-w", "10", *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout


def ip(*arguments: str) -> None:
    subprocess.run(["/usr/sbin/ip", *arguments], check=True, timeout=20)


def own_address() -> str:
    """The address with which this host goes out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("203.0.113.1", 9))  # sends nothing
        return str(probe.getsockname()[0])


@contextmanager
def listener(address: str, *, kind: int = socket.SOCK_STREAM, port: int = 0) -> Iterator[int]:
    """A host process that answers ``hello`` on that address; gives its port."""
    with socket.socket(socket.AF_INET, kind) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.settimeout(0.1)
        done = threading.Event()
        if kind == socket.SOCK_STREAM:
            server.listen()
        thread = threading.Thread(target=_answer, args=(server, kind, done))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join(5)


def _answer(server: socket.socket, kind: int, done: threading.Event) -> None:
    while not done.is_set():
        try:
            if kind == socket.SOCK_STREAM:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"hello\n")
            else:
                _, peer = server.recvfrom(2048)
                server.sendto(b"hello\n", peer)
        except TimeoutError:
            continue


SERVE = (
    "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 9,"
    " ReuseAddr => 1) or die; while (my $c = $s->accept) { print $c qq(hello\\n); close $c }"
)


@dataclass
class Tenant:
    """A tenant's network and one container in it that serves ``hello`` on 8080."""

    network: Network
    container: Container
    gateway: str
    address: str

    def says(self, host: str, port: int) -> bool:
        """True when a connection from the container is answered."""
        return self._bash(f"exec 3<>/dev/tcp/{host}/{port} && read -r x <&3 && [ $x = hello ]")

    def asks(self, host: str, port: int) -> bool:
        """True when a datagram from the container is answered."""
        return self._bash(
            f"exec 3<>/dev/udp/{host}/{port} && echo hi >&3 && read -r -n 1 x <&3 && [ $x = h ]"
        )

    def _bash(self, script: str) -> bool:
        code, _ = self.container.exec_run(["timeout", "2", "bash", "-c", script])
        return bool(code == 0)


Start = Callable[..., Tenant]


def _wait_until_it_serves(address: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with socket.create_connection((address, 8080), timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline, "the container serves nothing"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Makes a tenant in the subnet of that number; everything made is removed at the end."""
    client = docker.from_env()
    with ExitStack() as made:

        def make(
            number: int, supernet: str = "10.231.7", *, internal: bool = False, **options: Any
        ) -> Tenant:
            base = 16 * number
            pool = IPAMPool(subnet=f"{supernet}.{base}/28", gateway=f"{supernet}.{base + 1}")
            network = client.networks.create(
                f"berth-firewall-test-{supernet}-{number}",
                driver="bridge",
                internal=internal,
                ipam=IPAMConfig(pool_configs=[pool]),
            )
            made.callback(network.remove)
            container = client.containers.run(
                IMAGE,
                ["perl", "-e", SERVE],
                name=f"berth-firewall-test-{supernet}-{number}",
                network=network.name,
                detach=True,
                init=True,
                **options,
            )
            made.callback(container.remove, force=True, v=True)
            container.reload()
            address = container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
            _wait_until_it_serves(address)
            return Tenant(network, container, f"{supernet}.{base + 1}", address)

        yield make
    client.close()


@pytest.fixture(scope="module")
def tenant(start: Start) -> Tenant:
    return start(1)


@pytest.fixture(scope="module")
def isolated(start: Start) -> Tenant:
    return start(2, internal=True)


@pytest.fixture
def filtered() -> Iterator[Firewall]:
    """The rules in force, and none of them left at the end."""
    FIREWALL.ensure()
    yield FIREWALL
    FIREWALL.remove()
    assert "BERTHTEST" not in iptables("-S")


@pytest.fixture(scope="module")
def beyond() -> Iterator[str]:
    """A machine beyond the host: a private, a public and a metadata address, serving on 8080/53.

    Its names are the addresses 192.168.222.53, 198.51.100.53 (kept for documentation) and
    169.254.169.254.
    """
    name, wire = "berthfw", "berthfw0"
    with ExitStack() as made:
        ip("netns", "add", name)
        made.callback(ip, "netns", "del", name)
        ip("link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("addr", "add", "192.168.222.1/24", "dev", wire)
        ip("link", "set", wire, "up")
        ip("-n", name, "addr", "add", "192.168.222.53/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "route", "add", "default", "via", "192.168.222.1")
        for address in ("198.51.100.53", "169.254.169.254"):
            ip("-n", name, "addr", "add", f"{address}/32", "dev", "eth0")
            ip("route", "add", f"{address}/32", "via", "192.168.222.53")
        for kind, port in (("STREAM", 8080), ("STREAM", 53), ("DGRAM", 53)):
            made.enter_context(_served_beyond(name, kind, port))
        yield "192.168.222.53"


@contextmanager
def _served_beyond(namespace: str, kind: str, port: int) -> Iterator[None]:
    answer = {
        "STREAM": "c, _ = s.accept(); c.sendall(b'hello\\n'); c.close()",
        "DGRAM": "_, peer = s.recvfrom(2048); s.sendto(b'hello\\n', peer)",
    }[kind]
    code = (
        f"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_{kind})\n"
        f"s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('0.0.0.0', {port}))\n"
        f"{'s.listen()' if kind == 'STREAM' else ''}\nprint(flush=True)\nwhile True: {answer}\n"
    )
    with subprocess.Popen(
        ["/usr/sbin/ip", "netns", "exec", namespace, sys.executable, "-S", "-c", code],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def test_ensuring_twice_changes_nothing(filtered):
    assert filtered.missing() == ()
    assert filtered.ensure() is False


def test_it_puts_right_whatever_is_taken_away(filtered):
    for damage in (
        ("-D", "INPUT", "-j", "BERTHTEST-INPUT"),
        ("-D", "DOCKER-USER", "-j", "BERTHTEST-FORWARD"),
        ("-F", "BERTHTEST-INPUT"),
        ("-D", "BERTHTEST-FORWARD", "3"),
    ):
        iptables(*damage)
        assert filtered.missing() != ()
        assert filtered.ensure() is True
        assert filtered.missing() == ()


def test_it_comes_first_again_when_another_rule_was_put_in_front(filtered):
    rule = ("INPUT", "-s", "203.0.113.9", "-j", "ACCEPT")
    iptables("-I", *rule)
    try:
        assert filtered.missing() == ("-I INPUT 1 -j BERTHTEST-INPUT",)
        assert filtered.ensure() is True
        assert filtered.missing() == ()
    finally:
        iptables("-D", *rule)


def test_two_installations_stay_apart(filtered):
    other = Firewall(supernets=("10.233.0.0/16",), name="BERTHTESTB")
    try:
        assert other.ensure() is True
        assert filtered.missing() == other.missing() == ()
        assert filtered.ensure() is other.ensure() is False
    finally:
        other.remove()
    assert filtered.missing() == ()


def test_removing_twice_is_fine(filtered):
    filtered.remove()
    filtered.remove()
    assert filtered.missing() != ()


@pytest.mark.parametrize("kind", ["tenant", "isolated"])
def test_a_tenant_reaches_no_process_of_the_host(kind, request):
    tenant: Tenant = request.getfixturevalue(kind)
    with (
        listener("0.0.0.0") as tcp,
        listener("0.0.0.0", kind=socket.SOCK_DGRAM) as udp,
    ):
        # Without the rules both ways are open: else the test would prove nothing.
        assert tenant.says(tenant.gateway, tcp)
        assert tenant.asks(tenant.gateway, udp)
        request.getfixturevalue("filtered")
        assert not tenant.says(tenant.gateway, tcp)
        assert not tenant.asks(tenant.gateway, udp)


def test_a_tenant_reaches_no_other_address_of_the_host(tenant, beyond, request):
    with listener("0.0.0.0") as port:
        addresses = ("192.168.222.1", own_address())
        assert all(tenant.says(address, port) for address in addresses)
        request.getfixturevalue("filtered")
        assert not any(tenant.says(address, port) for address in addresses)


def test_a_metadata_address_on_the_host_itself_is_closed(tenant, request):
    ip("addr", "add", "169.254.170.2/32", "dev", "lo")
    try:
        with listener("169.254.170.2") as port:
            assert tenant.says("169.254.170.2", port)
            request.getfixturevalue("filtered")
            assert not tenant.says("169.254.170.2", port)
    finally:
        ip("addr", "del", "169.254.170.2/32", "dev", "lo")


def test_metadata_and_private_machines_beyond_the_host_are_closed(tenant, beyond, request):
    closed = ("169.254.169.254", beyond)
    assert all(tenant.says(address, 8080) for address in closed)
    request.getfixturevalue("filtered")
    assert not any(tenant.says(address, 8080) for address in closed)


def test_the_way_out_stays_open(tenant, beyond, filtered):
    assert tenant.says("198.51.100.53", 8080)


def test_a_private_resolver_stays_open_on_port_53_alone(tenant, beyond, filtered):
    assert tenant.asks(beyond, 53)
    assert tenant.says(beyond, 53)
    assert not tenant.says(beyond, 8080)
    assert not tenant.asks("169.254.169.254", 53)


def test_a_resolver_on_the_host_itself_stays_open(tenant, filtered):
    with_own = replace(FIREWALL, resolvers=(tenant.gateway,))
    with listener(tenant.gateway, kind=socket.SOCK_DGRAM, port=53):
        assert not tenant.asks(tenant.gateway, 53)
        with_own.ensure()
        assert tenant.asks(tenant.gateway, 53)


def test_a_port_that_another_container_publishes_is_closed(tenant, start, request):
    published = start(1, "10.232.8", ports={"8080/tcp": None})
    port = int(published.container.ports["8080/tcp"][0]["HostPort"])
    assert tenant.says(tenant.gateway, port)
    assert tenant.says(own_address(), port)
    request.getfixturevalue("filtered")
    assert not tenant.says(tenant.gateway, port)
    assert not tenant.says(own_address(), port)
    assert not tenant.says(published.address, 8080)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        assert connection.recv(10) == b"hello\n"


def test_forwarding_by_address_translation_is_closed(tenant, beyond, request):
    """What a published port does where Docker runs without its userland proxy."""
    rule = ("PREROUTING", "-d", "192.0.2.77", "-p", "tcp", "-j", "DNAT")
    iptables("-t", "nat", "-A", *rule, "--to-destination", "198.51.100.53:8080")
    try:
        assert tenant.says("192.0.2.77", 80)
        request.getfixturevalue("filtered")
        assert not tenant.says("192.0.2.77", 80)
        assert tenant.says("198.51.100.53", 8080)
    finally:
        iptables("-t", "nat", "-D", *rule, "--to-destination", "198.51.100.53:8080")


def test_names_within_a_tenants_network_and_the_edges_way_in_work(tenant, isolated, filtered):
    for each in (tenant, isolated):
        assert each.says(each.container.name, 8080)
        with socket.create_connection((each.address, 8080), timeout=5) as connection:
            assert connection.recv(10) == b"hello\n"


def test_dockers_resolver_asks_a_private_server_through_the_rules(start, beyond):
    """Docker 20.10 asks from the container's own namespace, so the rules must let it pass."""
    counters = f"-A {FIREWALL.forward_chain} -s {SUPERNET} -d {beyond}/32 -p udp"
    asking = start(3, dns=[beyond])
    FIREWALL.ensure()
    try:
        asking.container.exec_run(["timeout", "3", "getent", "hosts", "berth-firewall.example"])
        listing = iptables("-S", FIREWALL.forward_chain, "-v")
        [rule] = [line for line in listing.splitlines() if line.startswith(counters)]
        packets = int(rule.partition(" -c ")[2].split()[0])
        assert packets > 0
    finally:
        FIREWALL.remove()


def test_tenants_do_not_reach_each_other_and_have_no_ipv6(tenant, start, filtered):
    other = start(4)
    assert not tenant.says(other.address, 8080)
    assert not tenant.says(other.gateway, 8080)
    _, addresses = tenant.container.exec_run(["cat", "/proc/net/if_inet6"])
    assert [line for line in addresses.decode().splitlines() if not line.endswith(" lo")] == []


def test_dockers_own_changes_leave_the_rules_in_force(filtered, start):
    """Every network that comes or goes makes Docker rewrite its part of the table."""
    client = docker.from_env()
    pool = IPAMPool(subnet="10.231.9.0/28")
    network = client.networks.create(
        "berth-firewall-test-passing", ipam=IPAMConfig(pool_configs=[pool])
    )
    try:
        assert _settled(filtered) == ()
    finally:
        network.remove()
        client.close()
    assert _settled(filtered) == ()


def _settled(firewall: Firewall) -> tuple[str, ...]:
    """What is missing once Docker has put its own hook back, which it takes out for a moment."""
    until = time.monotonic() + 5
    while (missing := firewall.missing()) and time.monotonic() < until:
        time.sleep(0.05)
    return missing


def test_workers_that_set_the_rules_at_once_do_not_get_in_each_others_way(
    filtered: Firewall,
) -> None:
    barrier = threading.Barrier(6)
    failed: list[Exception] = []

    def ensure() -> None:
        barrier.wait(10)
        try:
            FIREWALL.ensure()
        except Exception as error:
            failed.append(error)

    for _ in range(3):
        FIREWALL.remove()
        threads = [threading.Thread(target=ensure) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []
    assert FIREWALL.missing() == ()
