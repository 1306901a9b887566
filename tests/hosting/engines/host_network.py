"""A tenant's network on this host, a process on the host itself, and a machine beyond it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

IMAGE = "berth.local/debian:bookworm-slim"
PREFIX = "berth-firewall-test-"


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


def _remove_leftovers(client: docker.DockerClient) -> None:
    """What a run that was killed has left: its networks hold the subnets of this one."""
    for container in client.containers.list(all=True, filters={"name": PREFIX}):
        container.remove(force=True, v=True)
    for network in client.networks.list(filters={"name": PREFIX}):
        network.remove()


@contextmanager
def tenants() -> Iterator[Start]:
    """Makes a tenant in the subnet of that number; everything made is removed at the end."""
    client = docker.from_env()
    _remove_leftovers(client)
    with ExitStack() as made:

        def make(
            number: int, supernet: str = "10.231.7", *, internal: bool = False, **options: Any
        ) -> Tenant:
            base = 16 * number
            pool = IPAMPool(subnet=f"{supernet}.{base}/28", gateway=f"{supernet}.{base + 1}")
            network = client.networks.create(
                f"{PREFIX}{supernet}-{number}",
                driver="bridge",
                internal=internal,
                ipam=IPAMConfig(pool_configs=[pool]),
            )
            made.callback(network.remove)
            container = client.containers.run(
                IMAGE,
                ["perl", "-e", SERVE],
                name=f"{PREFIX}{supernet}-{number}",
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


@contextmanager
def machine_beyond() -> Iterator[str]:
    """A machine beyond the host: a private, a public and a metadata address, serving on 8080/53.

    Its names are the addresses 192.168.222.53, 198.51.100.53 (kept for documentation) and
    169.254.169.254.
    """
    name, wire = "berthfw", "berthfw0"
    if Path("/run/netns", name).exists():  # a run that was killed has left it
        ip("netns", "del", name)
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
            ip("route", "replace", f"{address}/32", "via", "192.168.222.53")
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
