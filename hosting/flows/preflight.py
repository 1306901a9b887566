"""Looking before leaping: is there disk for what comes next?"""

from __future__ import annotations

from hosting.engines.errors import GiveUp
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
