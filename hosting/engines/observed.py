"""What an engine shows: of its containers and what else it holds, and of the server under them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


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
    container_id: str = ""  # another one begins with other counters
    # How many periods the scheduler gave it CPU in, in how many it was held back, and how long.
    cpu_periods: int = 0
    throttled_periods: int = 0
    throttled_seconds: float = 0.0
    memory_limit_bytes: int | None = None  # None where there is none


@dataclass(frozen=True, slots=True)
class Standing:
    """How one container stands, as far as a list of all of them shows it."""

    service: str
    state: ContainerState
    health: Health
    spec_hash: str
    exit_code: int | None = None  # of one that has ended, or ends again and again


@dataclass(frozen=True, slots=True)
class Reading:
    """One round over an instance's containers: how each stands, and what those that run use."""

    standings: tuple[Standing, ...] = ()
    usages: tuple[Usage, ...] = ()


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
