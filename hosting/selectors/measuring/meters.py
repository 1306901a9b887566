"""How full servers are, as bars can show it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hosting.models import Server
from hosting.selectors import disk

NEARLY_FULL = 85  # percent of a capacity from which on someone should look


@dataclass(frozen=True, slots=True)
class Meter:
    """How much of something is given away, or in use."""

    label: str
    used: Decimal
    capacity: Decimal
    unit: str
    text: str = ""  # said instead of "used of capacity"

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


def disk_meter(server: Server) -> Meter | None:
    """What its disk holds, full where only the reserve is left; None while it is unknown."""
    if server.disk_total_bytes is None or server.disk_free_bytes is None:
        return None
    gigabytes = Decimal(disk.GB)
    total, free = server.disk_total_bytes / gigabytes, server.disk_free_bytes / gigabytes
    kept = disk.reserve_bytes() / gigabytes
    return Meter(
        label="Disk in use",
        used=total - free,
        capacity=max(total - kept, Decimal(0)),
        unit="GB",
        text=f"{free:,.0f} GB free of {total:,.0f} GB, {kept:,.0f} GB kept back",
    )
