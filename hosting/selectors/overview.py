"""What staff look at first: servers with what they hold, instances by state, what is going on.

A fixed number of queries, however much there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Prefetch, QuerySet

from hosting.models import ACTIVE_STATES, Instance, Operation, OperationStep, Server
from hosting.selectors.capacity import with_reserved

SHOWN = 20  # rows of a list that only gives a first look
NEARLY_FULL = 85  # percent of a capacity from which on someone should look


@dataclass(frozen=True, slots=True)
class Meter:
    """How much of something is given away."""

    label: str
    used: Decimal
    capacity: Decimal
    unit: str

    @property
    def percent(self) -> int:
        """Of the capacity, rounded; more than 100 where it was lowered afterwards."""
        return round(100 * self.used / self.capacity) if self.capacity else 0

    @property
    def width(self) -> int:
        """For a bar, which can't be longer than full."""
        return min(self.percent, 100)

    @property
    def tone(self) -> str:
        """ok, warn from nearly full on, bad where more is given away than there is."""
        if self.used > self.capacity:
            return "bad"
        return "warn" if self.percent >= NEARLY_FULL else "ok"


@dataclass(frozen=True, slots=True)
class Meters:
    """What is given away of a server."""

    cpus: Meter
    memory: Meter
    disk: Meter


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the admin's first page."""

    servers: Sequence[Server]
    states: Sequence[tuple[str, int]]
    active: Sequence[Operation]
    active_count: int
    failed: Sequence[Operation]
    failed_count: int


def meters(server: Server) -> Meters:
    """Of a server that came through ``with_reserved``."""
    gib = Decimal(1024)
    reserved_memory = Decimal(server.reserved_memory_mb)  # type: ignore[attr-defined]
    return Meters(
        cpus=Meter("CPUs", Decimal(server.reserved_cpus), server.cpus, ""),  # type: ignore[attr-defined]
        memory=Meter("Memory", reserved_memory / gib, Decimal(server.memory_mb) / gib, "GiB"),
        disk=Meter(
            "Disk",
            Decimal(server.reserved_disk_gb),  # type: ignore[attr-defined]
            Decimal(server.disk_gb),
            "GiB",
        ),
    )


def overview(*, now: datetime) -> Overview:
    """As of that moment; failures of the last day."""
    counts = dict(Instance.objects.order_by().values_list("state").annotate(Count("pk")))
    active = operations_with_steps().filter(state__in=ACTIVE_STATES).order_by("requested_at")
    failed = operations_with_steps().filter(
        state=Operation.State.FAILED, finished_at__gt=now - timedelta(days=1)
    )
    return Overview(
        servers=list(with_reserved(Server.objects.all())),
        states=[
            (state, counts.get(state, 0))
            for state in Instance.State.values
            if state != Instance.State.DELETED
        ],
        active=list(active[:SHOWN]),
        active_count=active.count(),
        failed=list(failed.order_by("-finished_at")[:SHOWN]),
        failed_count=failed.count(),
    )


def operations_with_steps() -> QuerySet[Operation]:
    """With instance, client and server, and the steps in order without their output."""
    steps = OperationStep.objects.order_by("position").defer("output")
    return Operation.objects.select_related(
        "instance__client", "instance__server"
    ).prefetch_related(Prefetch("steps", queryset=steps))


def current_step(operation: Operation) -> OperationStep | None:
    """What it is doing now, or what it failed at; None before it began and after it succeeded."""
    steps = list(operation.steps.all())
    unfinished = [step for step in steps if step.state != OperationStep.State.DONE]
    return unfinished[0] if unfinished and operation.started_at else None
