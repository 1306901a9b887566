"""The process that holds requests while instances are away for a change."""

from __future__ import annotations

import asyncio
import resource
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from hosting.engines.errors import GiveUp
from hosting.engines.nginx import Holder, Limits


class Command(BaseCommand):
    """Needs the edge's directory, and neither database nor engine: it outlives their restarts."""

    help = "Hold requests for instances that are away for a change, and let them go afterwards."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        limits = Limits(seconds=settings.BERTH_EDGE_HOLD_SECONDS)
        _allow_files(limits.requests_in_all * 2)
        try:
            asyncio.run(_hold(limits))
        except GiveUp as error:
            raise CommandError(str(error)) from error


async def _hold(limits: Limits) -> None:
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, over.set)
    await Holder(settings.BERTH_EDGE_DIR, limits).run(over)


def _allow_files(wanted: int) -> None:
    """Each held request is a connection; the usual limit of 1,024 is for programs without many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
