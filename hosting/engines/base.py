"""What Berth asks of an engine, in plain frozen values.

An engine runs stacks. It knows no database, no client and no Django: it is given a whole ``Stack``
and makes the world look like it, and it answers with ``Observed`` values. Everything that it
creates carries the labels below, and everything that it finds, it finds by them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

LABEL_INSTANCE = "berth.instance"
LABEL_SERVICE = "berth.service"
LABEL_SPEC = "berth.spec"
LABEL_OWNER = "berth.owner"  # which Berth installation made it, so that two never mix on one engine
LABEL_LIMITS = "berth.limits"  # as they were given to it, to notice what hands have changed since


class EngineError(Exception):
    """Something an engine could not do; its text is one sentence a person can act on."""


class TryLater(EngineError):
    """The cause may pass by itself: ask again after a while."""


class EngineUnavailable(TryLater):
    """The engine does not answer at all; nothing about the stack is known."""


class GiveUp(EngineError):
    """Asking again will not help: a person has to change something."""


class SubnetTaken(GiveUp):
    """The engine's host already uses an address range that overlaps a wanted subnet."""

    def __init__(self, subnet: str) -> None:
        super().__init__(f"the subnet {subnet} overlaps a network that the server already has")
        self.subnet = subnet


class CommandFailed(GiveUp):
    """A command ran to its end inside a container and said that it failed."""

    def __init__(self, service: str, program: str, exit_code: int, said: str) -> None:
        words = " / ".join(filter(None, map(str.strip, said.splitlines())))
        told = f': "{words}"' if words else ""
        super().__init__(
            f"the command {program} in the service {service} ended with exit code {exit_code}{told}"
        )
        self.exit_code = exit_code


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
    and removes it.
    """

    name: str
    external: bool = False


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


class ContainerState(StrEnum):
    CREATED = "created"
    RUNNING = "running"
    RESTARTING = "restarting"
    PAUSED = "paused"
    EXITED = "exited"
    MISSING = "missing"


class Health(StrEnum):
    NONE = "none"  # the service declares no readiness
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class ObjectKind(StrEnum):
    """What an engine holds of a stack."""

    CONTAINER = "container"
    NETWORK = "network"
    VOLUME = "volume"


ALTERED_NAME = "name"
ALTERED_NETWORKS = "networks"
ALTERED_LIMITS = "limits"
ALTERED_RESTART_POLICY = "restart policy"


@dataclass(frozen=True, slots=True)
class ObservedService:
    """What the engine shows of one container."""

    name: str
    container_id: str
    state: ContainerState
    health: Health
    spec_hash: str
    image: str
    exit_code: int | None = None  # unknown from a list call
    oom_killed: bool | None = None  # unknown from a list call
    networks: tuple[str, ...] = ()  # those of its instance that exist and hold it, by name
    alien_networks: tuple[str, ...] = ()  # and those that are not its instance's
    container_name: str = ""  # as the engine shows it, without its leading slash
    restarts: int | None = None  # how often the engine restarted it itself; unknown from a list
    # What hands have changed on it since it was made: "name", "networks" (it was connected to one
    # that is not its instance's), and from a look at the container alone, not from a list, "limits"
    # (memory, swap, cpus, pids) and "restart policy".
    altered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """What the engine shows of one instance: empty when nothing with its label exists.

    Among the services may be some that the stack has not, some without a name, and doubles.
    """

    instance: str
    services: tuple[ObservedService, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()

    @property
    def is_gone(self) -> bool:
        """True when the engine holds no object of the instance, volumes included."""
        return not (self.services or self.networks or self.volumes)

    def service(self, name: str) -> ObservedService | None:
        """The container of that service, or None where it is missing."""
        return next((each for each in self.services if each.name == name), None)


@dataclass(frozen=True, slots=True)
class RunResult:
    """The outcome of a command run inside a service's container."""

    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Usage:
    """One reading of a container: counters since its start, gauges as they are now."""

    service: str
    read_at: datetime
    cpu_seconds: float
    memory_bytes: int
    network_received_bytes: int
    network_sent_bytes: int
    disk_read_bytes: int
    disk_written_bytes: int
    pids: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a labelled object; ``action`` as the engine words it."""

    instance: str
    service: str
    action: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the server has in all."""

    cpus: Decimal
    memory_bytes: int
    disk_free_bytes: int | None
    version: str
    disk_total_bytes: int | None = None


VOLUME_SILENCE = timedelta(minutes=2)
"""How long an engine may need for a volume without moving a byte: to write a big file, say."""

Report = Callable[[str], None]
"""Called with one line for a person before each change; what it raises stops the work there.

The flow runner passes a function that first checks the lease, the cancel flag and the deadline, so
that no engine is touched by a worker that has lost its operation.
"""


def silent(line: str) -> None:
    """A ``Report`` for callers that want none."""


class Engine(Protocol):
    """A server's way of running stacks. Every verb may be called twice with the same result.

    All verbs raise ``EngineUnavailable`` when the engine does not answer, ``TryLater`` for what may
    pass and ``GiveUp`` for what will not.
    """

    def permitted(self, permit: Callable[[], None]) -> Engine:
        """The same engine, which calls ``permit`` before each single call that changes something.

        What it raises stops the verb there. A verb may make many calls after its last ``report``.
        """

    def close(self) -> None:
        """Give the connections back; the engine stays usable."""

    def capacity(self) -> Capacity:
        """What the server has; also the cheapest way to ask whether it answers."""

    def pull(self, stack: Stack, *, report: Report = silent) -> Mapping[str, str]:
        """Make every image of the stack present; return image -> the name of exactly its content.

        That is ``repository@sha256:...`` for an image from a registry, and the image's own name for
        one that was built on the server.

        Raises ``GiveUp`` naming the image when it does not exist.
        """

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Create the networks and volumes that are missing. Raises ``SubnetTaken``.

        External volumes are never created: ``GiveUp`` where one is missing, or is not the owner's.
        """

    def apply(self, stack: Stack, *, report: Report = silent) -> None:
        """Converge to the stack: pull, prepare, then the services in dependency order.

        A container whose spec hash fits is left alone (started if it is stopped), any other of the
        instance is replaced or removed; a service starts once those it depends on are ready, and
        services that wait for nothing start in parallel. Volumes are never removed. Images are all
        present before anything stops. A network whose subnet or kind differs is made anew.
        A service that no other depends on is only started: ask ``is_ready`` for it.
        What ``altered`` names on a container that stays is put right without restarting it.

        Raises ``GiveUp`` as soon as a service that others wait for has ended for good, with its
        last log lines, and where a container of somebody else holds the name of one of the stack;
        ``TryLater`` when a service is not ready within its readiness' time.
        """

    def restart(self, stack: Stack, service: str, *, report: Report = silent) -> None:
        """Stop the service's container within its grace and start the same one again.

        For one that hangs; one that is stopped is started. Nothing waits for it to be ready.
        Raises ``GiveUp`` where there is no container that was ever started.
        """

    def is_ready(self, stack: Stack, service: str) -> bool:
        """Run the service's readiness command once, now. True where it declares none and runs.

        Raises ``GiveUp``, with its last log lines, for one that ends each time it is started.
        """

    def observe(self, instance: str) -> Observed:
        """What exists of the instance, from a look at each container."""

    def observe_all(self, owner: str) -> Mapping[str, Observed]:
        """What exists of every instance of that owner, by instance, in one list call a kind.

        Under ``""``, only if there is any, what carries the owner's label and no instance's.
        """

    def stop(self, stack: Stack, *, report: Report = silent) -> None:
        """Stop the containers, dependants first; they stay, with their volumes and networks."""

    def remove(self, instance: str, *, with_volumes: bool, report: Report = silent) -> None:
        """Remove containers and networks of the instance, and its volumes if asked to."""

    def quarantine(self, owner: str, container_id: str, *, report: Report = silent) -> None:
        """Make a container harmless that belongs to no instance: stopped, cut off, kept.

        The engine will not restart it, it is stopped within 10 s and taken out of all networks. It
        stays, with its logs and its volumes, to be looked at. One that would vanish once it is
        stopped is paused. One that is gone is fine.
        Raises ``GiveUp`` for a container without that owner's label.
        """

    def remove_object(
        self, owner: str, kind: ObjectKind, name: str, *, report: Report = silent
    ) -> None:
        """Remove that one object and nothing with it; one that is gone is fine.

        A container by its full id or its name, networks and volumes by name. Raises ``GiveUp`` for
        an object without that owner's label and ``TryLater`` for one that is still in use.
        """

    def run(
        self, instance: str, service: str, command: tuple[str, ...], *, timeout: timedelta
    ) -> RunResult:
        """Run a command inside the service's running container; output is stdout and stderr."""

    def read(
        self, instance: str, service: str, command: tuple[str, ...], *, silence: timedelta
    ) -> Generator[bytes, None, None]:
        """Run a command inside the service's running container and yield its stdout as it comes.

        It begins with the first ``next``; memory stays flat. Its end without an error is the proof
        that the output is whole: after the last chunk comes ``CommandFailed``, with the last 4 KiB
        of its stderr, where the exit code is not 0, and ``TryLater`` where the connection broke
        off. No byte for ``silence`` is ``TryLater`` too. Whenever it ends before the command does
        (``close`` it in time: ``contextlib.closing``), the command is killed, where that is
        possible.
        """

    def feed(
        self,
        instance: str,
        service: str,
        command: tuple[str, ...],
        chunks: Iterable[bytes],
        *,
        silence: timedelta,
    ) -> RunResult:
        """Run a command inside the service's running container with the chunks as its stdin.

        A chunk is taken once the command has read enough of those before; after the last its stdin
        is closed. Output (stdout and stderr) beyond 4 MiB is cut off at the front. A command may
        end before it has read everything: its exit code tells whether it was content.

        What ``chunks`` raises comes out, after the command was killed. ``TryLater`` where the
        command neither takes nor says anything for ``silence``, which must cover what it does after
        its stdin is closed, and where the connection breaks off. A worker that dies, and an engine
        that cannot kill, leave the command with an early end of its input: use formats that show
        their end.
        """

    def pause(self, instance: str, service: str) -> None:
        """Freeze the service's container. Raises ``TryLater`` where it is gone or does not run."""

    def resume(self, instance: str, service: str) -> None:
        """Let a paused container go on; one that is not paused is left as it is.

        Raises ``TryLater`` where it is gone.
        """

    def read_volume(
        self, stack: Stack, volume: str, *, silence: timedelta = VOLUME_SILENCE
    ) -> Generator[bytes, None, None]:
        """Yield an uncompressed tar of all files in the volume, whether or not containers run.

        Its first entry is the root, ``./``, the others lie below: owners, modes, modification times
        (whole seconds), symbolic and hard links and empty directories are kept, and unchanged files
        give the same bytes again. As with ``read``, only the end without an error proves that it is
        whole. Raises ``TryLater`` where a file shrank while it was read, and ``GiveUp`` where the
        volume is missing, or no image of the stack is on the server.
        """

    def write_volume(
        self,
        stack: Stack,
        volume: str,
        chunks: Iterable[bytes],
        *,
        silence: timedelta = VOLUME_SILENCE,
    ) -> None:
        """Unpack a tar as ``read_volume`` gives it into the volume, which must exist and be empty.

        Root's own owner and mode are set as well. What ``chunks`` raises comes out. Where it breaks
        off the volume is left half full: remove it and make it anew. Raises ``GiveUp`` where it is
        missing or not empty, and for what is no whole tar.
        """

    def logs(self, instance: str, service: str, *, lines: int = 200) -> str:
        """The last lines of the container's log; empty where there is no container."""

    def usage(self, instances: tuple[str, ...]) -> Mapping[str, tuple[Usage, ...]]:
        """One reading of every running container of those instances, by instance."""

    def events(self, owner: str, *, since: datetime | None = None) -> Iterator[Event]:
        """Follow what happens to that owner's containers, from ``since`` on, until it breaks."""
