"""What servers have given away, and what is left."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from hosting.models import Instance, Plan, Server


@dataclass(frozen=True, slots=True)
class Room:
    """What is left on a server; can be negative where its capacity was lowered."""

    server: Server
    cpus: Decimal
    memory_mb: int
    disk_gb: int
    instances: int

    def fits(self, plan: Plan) -> bool:
        """Whether an instance of that plan can still be placed there."""
        return (
            self.cpus >= plan.cpus
            and self.memory_mb >= plan.memory_mb
            and self.disk_gb >= plan.disk_gb
        )


def with_reserved(servers: QuerySet[Server]) -> QuerySet[Server]:
    """Servers with ``reserved_cpus``, ``_memory_mb``, ``_disk_gb`` and an ``instance_count``.

    What instances hold that are not deleted.
    """
    held = ~Q(instances__state=Instance.State.DELETED)
    return servers.annotate(
        reserved_cpus=Coalesce(Sum("instances__plan__cpus", filter=held), Decimal(0)),
        reserved_memory_mb=Coalesce(Sum("instances__plan__memory_mb", filter=held), 0),
        reserved_disk_gb=Coalesce(Sum("instances__plan__disk_gb", filter=held), 0),
        instance_count=Count("instances", filter=held),
    )


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
