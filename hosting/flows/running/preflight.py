"""Looking before leaping: is there disk for what comes next?"""

from __future__ import annotations

from django.conf import settings

from hosting.engines.errors import GiveUp
from hosting.engines.restic import Target
from hosting.flows.base import Work
from hosting.selectors import disk
from hosting.services import servers


def room(work: Work) -> None:
    """GiveUp before anything is fetched or created, where the server's disk is nearly full."""
    server = work.instance.server
    servers.record_disk(server=server, capacity=work.engine.capacity())
    if disk.is_low(server):
        raise GiveUp(f"{disk.shortage(server)}; make room there, then try again.")
    work.report("the server has room")


def place(target: Target) -> None:
    """GiveUp before anything is paused or written, where the disk for backups is nearly full."""
    target.refuse_missing()
    free = target.free_bytes()
    if free is not None and free < disk.reserve_bytes():
        raise GiveUp(
            f"the place for backups has {free / disk.GB:.1f} GB of disk free, and"
            f" {settings.BERTH_DISK_RESERVE_GB} GB are kept back; make room there, then try again"
        )
