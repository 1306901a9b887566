"""Whether a server has disk left for something new."""

from __future__ import annotations

from django.conf import settings

from hosting.models import Server

GB = 10**9


def is_low(server: Server) -> bool:
    """Whether less is free than is kept back; a server whose disk is unknown is not low."""
    return server.disk_free_bytes is not None and server.disk_free_bytes < reserve_bytes()


def reserve_bytes() -> int:
    """What stays free on every server, in bytes: PostgreSQL on a full disk loses its footing."""
    return int(settings.BERTH_DISK_RESERVE_GB) * GB


def shortage(server: Server) -> str:
    """The sentence for a server that ``is_low``."""
    free = (server.disk_free_bytes or 0) / GB
    kept = settings.BERTH_DISK_RESERVE_GB
    return f"Server {server} has {free:.1f} GB of disk free, and {kept} GB are kept back"
