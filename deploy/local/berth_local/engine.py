"""A Docker Engine: the one that answers, or one of our own where we may start it."""

import os
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from berth_local.control import private_directory
from berth_local.errors import LocalError
from berth_local.layout import Layout
from berth_local.processes import end, start_service
from berth_local.service import program

DEFAULT_SOCKET = Path("/var/run/docker.sock")
PING = b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n"


@dataclass
class Engine:
    """dockerd with its ordinary data; or, under `private`, one that shares nothing with it.

    A private engine has no networking. It shows that starting works where another one is in use.
    It runs in a network namespace of its own: dockerd removes an interface called docker0 when it
    starts without a bridge, and in the machine's namespace that is the other engine's.
    """

    layout: Layout
    private: Path | None = None
    name: ClassVar[str] = "dockerd"
    title: ClassVar[str] = "The Docker Engine"
    patience: ClassVar[float] = 90.0

    @property
    def control(self) -> Path:
        """One for the whole machine, unless private: every checkout shares the one engine."""
        return private_directory(self.private or Path("/run/berth-dockerd"))

    def start(self) -> subprocess.Popen[bytes]:
        """See Service."""
        server = program("dockerd", package="docker.io")
        program("iptables", package="iptables")
        # dockerd looks for containerd, runc and iptables in PATH.
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        with self.layout.log(self.name).open("ab") as log:
            command = [*self._apart(), server, *self._options()]
            return start_service(command, log=log, end_signal=signal.SIGTERM)

    def ready(self) -> bool:
        """See Service."""
        return answers(f"unix://{self._socket}")

    def environment(self) -> dict[str, str]:
        """See Service."""
        return {"DOCKER_HOST": f"unix://{self._socket}"} if self.private else {}

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Stop by SIGTERM, on which dockerd stops its containers first (10 s each at most)."""
        end(process, (signal.SIGTERM, 60.0))

    @property
    def _socket(self) -> Path:
        return self.private / "docker.sock" if self.private else DEFAULT_SOCKET

    def _apart(self) -> list[str | Path]:
        if self.private is None:
            return []
        return [program("unshare", package="util-linux"), "--net", "--"]

    def _options(self) -> list[str]:
        if self.private is None:
            return []
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "docker.pid"}
        return [
            *(f"--{option}={self.private / name}" for option, name in places.items()),
            f"--host=unix://{self._socket}",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
        ]


def must_start() -> bool:
    """Whether a Docker Engine is missing and is ours to start.

    Raises LocalError where one is missing that we cannot start.
    """
    host = os.environ.get("DOCKER_HOST", "")
    if answers(host or f"unix://{DEFAULT_SOCKET}"):
        return False
    if host:
        raise LocalError(
            f"DOCKER_HOST is {host}, and no Docker Engine answers there: start it, or unset "
            "DOCKER_HOST."
        )
    if os.geteuid() != 0:
        raise LocalError(
            f"No Docker Engine answers at {DEFAULT_SOCKET}: start it as root ('systemctl start "
            "docker'), become a member of the group 'docker', or set DOCKER_HOST."
        )
    return True


def answers(host: str) -> bool:
    """Whether a Docker Engine answers at a DOCKER_HOST address.

    Over TLS only the connection is tried; an address over SSH is taken at its word.
    """
    address = urlsplit(host)
    if address.scheme == "ssh":
        return True
    try:
        with _connect(host) as connection:
            if os.environ.get("DOCKER_TLS_VERIFY") and address.scheme != "unix":
                return True
            connection.sendall(PING)
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def _connect(host: str) -> socket.socket:
    address = urlsplit(host)
    if address.scheme in {"tcp", "http", "https"}:
        return socket.create_connection((address.hostname or "127.0.0.1", address.port or 2375), 5)
    if address.scheme != "unix":
        raise LocalError(f"DOCKER_HOST is {host}: write unix://, tcp:// or ssh:// before it.")
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    try:
        connection.connect(address.path)
    except OSError:
        connection.close()
        raise
    return connection
