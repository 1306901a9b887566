"""What an engine is to make the world look like: a whole ``Stack``, in plain frozen values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Limits:
    """What one service may use at most."""

    cpus: Decimal
    memory_bytes: int
    pids: int
    log_bytes: int = 10 * 1024 * 1024
    log_files: int = 3


@dataclass(frozen=True, slots=True)
class Secret:
    """A value handed to a service as the file ``/run/secrets/<name>``; never in its environment.

    The value stays out of ``repr``. It takes part in the service's spec hash, so that a rotated
    secret replaces the container that holds the old one.
    """

    name: str
    value: str = field(repr=False)
    mode: int = 0o444

    @property
    def target(self) -> str:
        return f"/run/secrets/{self.name}"


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume of the stack; its name is unique on the server.

    An external one is mounted by this stack and belongs to another of the same owner, which makes
    and removes it. A spare one holds nothing that the app would miss: it may be made anew at any
    time.
    """

    name: str
    external: bool = False
    is_spare: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a service sees a volume of its stack."""

    volume: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the stack, in a subnet that Berth allocated (CIDR)."""

    name: str
    subnet: str
    internal: bool


@dataclass(frozen=True, slots=True)
class Attachment:
    """A service's place in a network; ``address`` is fixed where others must find it.

    In one network give all services an address or none: an engine that chooses for one may take
    what is meant for another.
    """

    network: str
    address: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Readiness:
    """The command that exits 0 inside the container once the service can be used."""

    command: tuple[str, ...]
    interval: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(seconds=5)
    retries: int = 3
    start_period: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Service:
    """One container of a stack, whole."""

    name: str
    image: str
    limits: Limits
    networks: tuple[Attachment, ...]
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()  # started only once these are ready
    readiness: Readiness | None = None
    user: str | None = None
    working_dir: str | None = None
    capabilities: tuple[str, ...] = ()  # added back after all were dropped
    read_only: bool = False
    init: bool = True
    stop_grace: timedelta = timedelta(seconds=10)

    def spec_hash(self) -> str:
        """SHA-256 over everything in the spec, secrets included (only the digest is stored)."""
        canonical = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Stack:
    """Everything that one instance runs as.

    ``project`` prefixes every object's name; ``owner`` names the Berth installation.
    """

    instance: str
    project: str
    owner: str
    services: tuple[Service, ...]
    networks: tuple[Network, ...]
    volumes: tuple[Volume, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """The distinct images, in the order of first use."""
        return tuple(dict.fromkeys(service.image for service in self.services))

    def service(self, name: str) -> Service:
        """The service of that name; ``KeyError`` if there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)
