"""What the edge serves, as frozen values that are valid once they exist.

Every value below ends up in nginx's configuration. Each is checked when it is made, against a
narrow pattern, so that nothing a client types can become a directive; ``GiveUp`` says what is
wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from pathlib import Path
from typing import Literal, get_args

from hosting.engines.errors import GiveUp

SiteState = Literal["serving", "holding", "stopped", "starting", "failed"]

MEBIBYTE = 1024 * 1024
LONGEST_SOCKET_PATH = 107  # sockaddr_un.sun_path holds 108 bytes with the final zero

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# Two labels at least, which also keeps out the words that mean something inside nginx's `map`
# (default, include, hostnames, volatile); the last one with a letter, so that it is no address.
_HOSTNAME = re.compile(rf"(?:{_LABEL}\.)+(?=[0-9-]*[a-z]){_LABEL}")
_INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_PATH = re.compile(r"/[A-Za-z0-9 /._+@,:=-]*")
_CLOSED = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


def hostname(value: str) -> str:
    """The value itself if it is a lower-case host name of two labels or more (RFC 1123)."""
    if len(value) > 253 or not _HOSTNAME.fullmatch(value):
        raise GiveUp(
            f"{value!r} is not a host name: use labels of a-z, 0-9 and inner hyphens, at most 63"
            " characters each, with a dot between them"
        )
    return value


def address(value: str) -> str:
    """The value itself if it is one IPv4 address in its usual form."""
    try:
        return str(IPv4Address(value))
    except AddressValueError:
        raise GiveUp(f"{value!r} is not an IPv4 address such as 10.64.0.18") from None


def network(value: str) -> IPv4Network:
    """The IPv4 network of that CIDR text."""
    try:
        return IPv4Network(value)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise GiveUp(f"{value!r} is not an IPv4 network such as 10.64.0.0/12") from None


def whole(value: int, what: str, lowest: int, highest: int) -> int:
    """The value itself if it is a whole number within the bounds (both included)."""
    if type(value) is not int or not lowest <= value <= highest:
        raise GiveUp(f"{what} must be a whole number from {lowest} to {highest}, not {value!r}")
    return value


@dataclass(frozen=True, slots=True)
class Site:
    """One instance's web service and the host names that lead to it.

    ``address`` and ``port`` are dialled only while the state is ``serving``. While it is
    ``holding``, requests wait for the end of a change; in any other state the edge answers with a
    page of its own. ``max_body_bytes`` bounds one request's body. ``closed`` is a path that is
    nobody's business outside, such as that of the app's metrics. ``used_up`` are paths that are
    refused with all below them, as what they use is used up.
    """

    instance: str
    hostnames: tuple[str, ...]
    address: str
    port: int
    state: SiteState
    max_body_bytes: int = 64 * MEBIBYTE
    closed: str = ""
    used_up: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _INSTANCE.fullmatch(self.instance):
            raise GiveUp(f"{self.instance!r} is not an instance's name or id")
        if not self.hostnames:
            raise GiveUp(f"the instance {self.instance} has no host name")
        for name in self.hostnames:
            hostname(name)
        address(self.address)
        whole(self.port, "a port", 1, 65535)
        whole(self.max_body_bytes, "the largest body in bytes", 1, 2**40)
        for path in filter(None, (self.closed, *self.used_up)):
            if not _CLOSED.fullmatch(path):
                raise GiveUp(f"{path!r} is not a path that can be closed")
        if self.state not in get_args(SiteState):
            raise GiveUp(f"{self.state!r} is none of {', '.join(get_args(SiteState))}")


@dataclass(frozen=True, slots=True)
class Listen:
    """An address and a port of the server on which the edge takes plain HTTP."""

    address: str = "0.0.0.0"  # noqa: S104 - the edge is what the world may reach
    port: int = 80

    def __post_init__(self) -> None:
        address(self.address)
        whole(self.port, "a port", 1, 65535)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Requests a second that one client address may make, and how many more at once."""

    requests_per_second: int
    burst: int

    def __post_init__(self) -> None:
        whole(self.requests_per_second, "requests a second", 1, 100_000)
        whole(self.burst, "the burst", 1, 100_000)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about the edge that is not a site. Times are whole seconds.

    ``upstream_networks`` bounds what the edge may dial: give the tenants' supernets, and a wrong
    row in a table can never open a way to the host itself. ``trusted_proxies`` are the load
    balancers in front whose ``X-Forwarded-For`` and ``-Proto`` are believed. ``workers`` of None
    means one for each core. ``hold_seconds`` is how long the holding process keeps a request.
    """

    directory: Path
    listens: tuple[Listen, ...] = (Listen(),)
    upstream_networks: tuple[str, ...] = ("0.0.0.0/0",)
    trusted_proxies: tuple[str, ...] = ()
    rate_limit: RateLimit | None = None
    access_log: bool = True
    workers: int | None = None
    worker_connections: int = 4096
    connect_timeout: int = 3
    read_timeout: int = 3600
    drain_timeout: int = 4 * 3600
    hold_seconds: int = 300

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(str(self.directory)):
            raise GiveUp(
                f"the edge directory {str(self.directory)!r} must be an absolute path of letters,"
                " digits, spaces and . _ + @ , : = -"
            )
        if len(str(self.socket).encode()) > LONGEST_SOCKET_PATH:
            raise GiveUp(f"the edge directory's path is too long for a socket: {self.directory}")
        if not self.listens:
            raise GiveUp("the edge needs at least one address and port to listen on")
        for each in (*self.upstream_networks, *self.trusted_proxies):
            network(each)
        whole(self.workers or 1, "the number of workers", 1, 512)
        whole(self.worker_connections, "connections a worker", 64, 1_000_000)
        timeouts = (self.connect_timeout, self.read_timeout, self.drain_timeout, self.hold_seconds)
        for seconds in timeouts:
            whole(seconds, "a timeout in seconds", 1, 7 * 24 * 3600)

    @property
    def socket(self) -> Path:
        """Where the running nginx tells which generation it serves."""
        return self.directory / "status.sock"

    @property
    def hold_socket(self) -> Path:
        """Where the running holding process is asked."""
        return self.directory / "hold.sock"
