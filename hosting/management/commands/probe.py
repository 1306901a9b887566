"""The process that looks whether instances answer."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand

from hosting.flows.watching.probing import Prober


class Command(BaseCommand):
    """One is enough for thousands of instances. A second one is there when the first dies."""

    help = "Look whether the instances answer, again and again."

    def handle(self, *args: Any, **options: Any) -> None:
        asyncio.run(_probe())


async def _probe() -> None:
    prober = Prober()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, prober.end)
    await prober.run()
