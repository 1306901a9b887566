"""What servers have given away, and what is left."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Aggregate, Count, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Greatest

from hosting.models import ACTIVE_STATES, Instance, Plan, Server, Upgrade


@dataclass(frozen=True, slots=True)
class Room:
    """What is left on a server; can be negative where its capacity was lowered."""

    server: Server
    cpus: Decimal
    memory_mb: int
    disk_gb: int
    instances: int

    def fits(self, plan: Plan, *, instead_of: Plan | None = None) -> bool:
        """Whether an instance of that plan can be placed there still, or one can change to it."""
        return all(
            getattr(self, name) >= getattr(plan, name) - getattr(instead_of, name, 0)
            for name in ("cpus", "memory_mb", "disk_gb")
        )


def with_reserved(servers: QuerySet[Server]) -> QuerySet[Server]:
    """Servers with ``reserved_cpus``, ``_memory_mb``, ``_disk_gb`` and an ``instance_count``.

    What instances hold that are not deleted, and what those that just change their plan may need.
    Each is a query of its own for each server: joined, all instances would be grouped by it.
    """
    return servers.annotate(
        reserved_cpus=_held(Sum("plan__cpus"), Decimal(0)) + _growing("cpus", Decimal(0)),
        reserved_memory_mb=_held(Sum("plan__memory_mb"), 0) + _growing("memory_mb", 0),
        reserved_disk_gb=_held(Sum("plan__disk_gb"), 0) + _growing("disk_gb", 0),
        instance_count=_held(Count("*"), 0),
    )


def _held(sum_of: Aggregate, nothing: Decimal | int) -> Coalesce:
    """That of the server's instances that are not deleted."""
    there = Instance.objects.filter(server=OuterRef("pk")).exclude(state=Instance.State.DELETED)
    sums = there.order_by().values("server").annotate(held=sum_of)
    return Coalesce(Subquery(sums.values("held")), nothing)


def _growing(name: str, nothing: Decimal | int) -> Coalesce:
    """How much more the larger plan of each upgrade that goes on has than the instance's own."""
    more = Greatest(F(f"from_plan__{name}"), F(f"to_plan__{name}"))
    going_on = Upgrade.objects.filter(
        operation__state__in=ACTIVE_STATES, operation__instance__server=OuterRef("pk")
    )
    sums = (
        going_on.order_by()
        .values("operation__instance__server")
        .annotate(growth=Sum(more - F(f"operation__instance__plan__{name}")))
    )
    return Coalesce(Subquery(sums.values("growth")), nothing)


def room_on(servers: QuerySet[Server]) -> list[Room]:
    """What is left on each of them, in one query."""
    return [
        Room(
            server=server,
            cpus=server.cpus - server.reserved_cpus,  # type: ignore[attr-defined]
            memory_mb=server.memory_mb - server.reserved_memory_mb,  # type: ignore[attr-defined]
            disk_gb=server.disk_gb - server.reserved_disk_gb,  # type: ignore[attr-defined]
            instances=server.instance_count,  # type: ignore[attr-defined]
        )
        for server in with_reserved(servers)
    ]
