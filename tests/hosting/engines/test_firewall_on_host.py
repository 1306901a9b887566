"""The packet filter at work: on this host (as root), with real containers and a machine beyond.

One file on purpose: these tests share the host's one packet filter, and most look first at what is
open without the rules. Beside each other, on two workers, they would spoil each other's proof.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import docker
import pytest
from docker.types import IPAMConfig, IPAMPool

from hosting.engines.firewall import Firewall
from tests.hosting.engines.host_network import (
    Start,
    Tenant,
    ip,
    iptables,
    listener,
    machine_beyond,
    own_address,
    tenants,
)

pytestmark = pytest.mark.docker

# Apart from the default supernet, whose rules may be in force on this host.
SUPERNET = "10.231.0.0/16"
FIREWALL = Firewall(supernets=(SUPERNET,), resolvers=("192.168.222.53",), name="BERTHTEST")


def mangle(*arguments: str) -> str:
    """The table that the rules are in."""
    return iptables("-t", "mangle", *arguments)


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    with tenants() as make:
        yield make


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
    assert "BERTHTEST" not in mangle("-S")


@pytest.fixture(scope="module")
def beyond() -> Iterator[str]:
    with machine_beyond() as address:
        yield address


def test_ensuring_twice_changes_nothing(filtered):
    assert filtered.missing() == ()
    assert filtered.ensure() is False


def test_it_puts_right_whatever_is_taken_away(filtered):
    for damage in (
        ("-D", "INPUT", "-j", "BERTHTEST-INPUT"),
        ("-D", "FORWARD", "-j", "BERTHTEST-FORWARD"),
        ("-F", "BERTHTEST-INPUT"),
        ("-D", "BERTHTEST-FORWARD", "3"),
    ):
        mangle(*damage)
        assert filtered.missing() != ()
        assert filtered.ensure() is True
        assert filtered.missing() == ()


def test_it_comes_first_again_when_another_rule_was_put_in_front(filtered):
    rule = ("INPUT", "-s", "203.0.113.9", "-j", "ACCEPT")
    mangle("-I", *rule)
    try:
        in_front = ("-I INPUT 1 -j BERTHTEST-INPUT",)
        assert filtered.missing() == in_front
        assert filtered.ensure() is True
        assert filtered.missing() == ()
    finally:
        mangle("-D", *rule)


def test_two_installations_stay_apart(filtered):
    other = Firewall(supernets=("10.233.0.0/16",), name="BERTHTESTB")
    try:
        assert other.ensure() is True
        assert filtered.missing() == other.missing() == ()
        assert filtered.ensure() is False
        assert other.ensure() is False
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
    ip("addr", "replace", "169.254.170.2/32", "dev", "lo")
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
        listing = mangle("-S", FIREWALL.forward_chain, "-v")
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
        assert filtered.missing() == ()
    finally:
        network.remove()
        client.close()
    assert filtered.missing() == ()


@contextmanager
def without_dockers_hooks() -> Iterator[None]:
    """As Docker leaves them for a moment, whenever a network comes or goes."""
    hooks = ("DOCKER-ISOLATION-STAGE-1", "DOCKER-USER")  # the last one is put first
    try:
        for hook in hooks:
            while f"-A FORWARD -j {hook}\n" in iptables("-S", "FORWARD"):
                iptables("-D", "FORWARD", "-j", hook)
        yield
    finally:
        for hook in hooks:
            if f"-A FORWARD -j {hook}\n" not in iptables("-S", "FORWARD"):
                iptables("-I", "FORWARD", "-j", hook)


def _reaches_without_hooks(tenant: Tenant, address: str) -> bool:
    with without_dockers_hooks():
        return tenant.says(address, 8080)


def test_docker_that_takes_its_hooks_out_for_a_moment_opens_nothing(tenant, start, beyond, request):
    other = start(5)
    closed = (other.address, beyond, "169.254.169.254")
    for address in closed:  # networks of other tests may put the hooks back in between
        assert any(_reaches_without_hooks(tenant, address) for _ in range(5))
    request.getfixturevalue("filtered")
    assert not any(_reaches_without_hooks(tenant, address) for address in closed)


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
