"""Looking at a whole fleet every 15 s, from one process: how much CPU that takes, and who is late.

Needs a database that `manage.py generate_fleet` filled, whose instances get an address here for as
long as it runs: a child process answers there as the app would, but for every hundredth, which
takes the connection and says nothing. The goal is the interval itself: every look in its own turn.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hosting.config.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import Avg, Count, Max, Q  # noqa: E402

from hosting.flows.watching.probing import Prober  # noqa: E402
from hosting.models import Instance, Probe  # noqa: E402
from hosting.selectors.watching import targets  # noqa: E402

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
HANGING = 100  # every so many'th
FLEET = Instance.objects.filter(purpose="client", server__name__startswith="generated-")


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intervals", type=int, default=4, help="how many are measured")
    intervals = parser.parse_args().intervals
    if not FLEET.exists():
        print("probing: no fleet here; run manage.py generate_fleet in an empty database first")
        return
    ready = multiprocessing.get_context("spawn").Queue()
    app = multiprocessing.get_context("spawn").Process(target=_serve, args=(ready,), daemon=True)
    app.start()
    answering, silent = ready.get(timeout=30)
    try:
        _give_addresses(answering, silent)
        asyncio.run(_measure(intervals))
    finally:
        FLEET.update(web_address=None, web_port=None)
        app.terminate()


def _give_addresses(answering: int, silent: int) -> None:
    FLEET.update(web_address="127.0.0.1", web_port=answering)
    keys = list(FLEET.order_by("pk").values_list("pk", flat=True))[::HANGING]
    Instance.objects.filter(pk__in=keys).update(web_port=silent)


async def _measure(intervals: int) -> None:
    number = await asyncio.to_thread(lambda: len(targets.targets()))
    prober = Prober()
    running = asyncio.create_task(prober.run())
    seconds = settings.BERTH_PROBE_SECONDS
    await asyncio.sleep(seconds)  # the first interval has a beginning in its middle
    since, began, cpu = datetime.now(UTC), time.monotonic(), time.process_time()
    await asyncio.sleep(intervals * seconds)
    cpu = time.process_time() - cpu
    until, took = datetime.now(UTC), time.monotonic() - began
    await asyncio.sleep(2 * settings.BERTH_PROBE_TIMEOUT_SECONDS)
    prober.end()
    await running
    await asyncio.to_thread(_show, number, since, until, took, cpu)


def _show(number: int, since: datetime, until: datetime, took: float, cpu: float) -> None:
    found = Probe.objects.filter(at__gt=since, at__lte=until).aggregate(
        looks=Count("instance"),
        well=Count("instance", filter=Q(is_up=True)),
        average=Avg("ms"),
        most=Max("ms"),
    )
    wanted = number * timedelta(seconds=took) / timedelta(seconds=settings.BERTH_PROBE_SECONDS)
    print(
        f"{number} targets, load {os.getloadavg()[0]:.1f}: {found['looks']} looks in {took:.0f} s"
        f" of {wanted:.0f} that were due, {found['well']} well;"
        f" answers after {found['average']:.1f} ms, {found['most']} ms at most;"
        f" {100 * cpu / took:.0f} % of a core without PostgreSQL"
    )
    connection.close()


def _serve(ready: multiprocessing.Queue[tuple[int, int]]) -> None:
    """The apps: one port that answers, and one that takes connections and says nothing."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
        writer.close()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def serve() -> None:
        servers = [
            await asyncio.start_server(each, "127.0.0.1", 0, backlog=1024)
            for each in (answer, hang)
        ]
        answering, silent = (each.sockets[0].getsockname()[1] for each in servers)
        ready.put((answering, silent))
        await asyncio.gather(*(each.serve_forever() for each in servers))

    asyncio.run(serve())


if __name__ == "__main__":
    main()
