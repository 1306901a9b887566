"""Looking at all instances again and again, each at its own moment of the interval.

Everything that waits for a network runs in one event loop; everything that waits for the database
in one thread beside it. Any number of processes may look: a look that two made is one row.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from hosting.engines import probe_async
from hosting.engines.probe_async import Timed
from hosting.flows.watching import causes
from hosting.selectors.watching import targets
from hosting.selectors.watching.targets import Target
from hosting.services.watching import health, outages
from hosting.services.watching.health import LONGEST_ERROR, Look

logger = logging.getLogger(__name__)
T = TypeVar("T")

TICK_SECONDS = 0.1
WRITE_SECONDS = 1.0
READ_TARGETS_SECONDS = 5.0
SETTLE_SECONDS = 10.0
MOST_AT_ONCE = 4000  # connections; beyond that a look waits for another to end
KEPT_BACK = 200_000  # looks that are kept while the database is away; then the oldest go


class Prober:
    """Looks until it is told to end."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._targets: list[Target] = []
        self._phases: list[float] = []
        self._looks: list[Look] = []
        self._running: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(_connections())
        self._database = ThreadPoolExecutor(1, "probe-database")
        self._causes = ThreadPoolExecutor(1, "probe-causes")

    def end(self) -> None:
        """It ends within a second, with what it saw written down."""
        self._over.set()

    async def run(self) -> None:
        """Until :meth:`end`."""
        parts = (
            self._again(READ_TARGETS_SECONDS, self._read_targets),
            self._again(WRITE_SECONDS, self._write),
            self._again(SETTLE_SECONDS, self._settle),
            self._look(),
        )
        try:
            await asyncio.gather(*parts)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            with contextlib.suppress(DatabaseError):
                await self._write()
            self._database.submit(connection.close)
            self._database.shutdown()
            self._causes.shutdown(wait=False, cancel_futures=True)

    async def _again(self, seconds: float, part: Callable[[], object]) -> None:
        """Do it every so often. What goes wrong is said, and the next time comes all the same."""
        while not self._over.is_set():
            try:
                await part()  # type: ignore[misc]
            except DatabaseError as error:
                logger.warning("the probes' database: %s; trying again", error)
                await self._in_database(connection.close)
            except Exception:
                logger.exception("a part of probing failed; trying again")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), seconds)

    async def _look(self) -> None:
        """Begin each look when its moment comes. One that was missed by an interval is left out."""
        done = time.time()
        while not self._over.is_set():
            await asyncio.sleep(TICK_SECONDS)
            now = time.time()
            since = max(done, now - settings.BERTH_PROBE_SECONDS)
            for target, at in self._due(since, now):
                task = asyncio.create_task(self._one(target, at))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            done = now

    def _due(self, since: float, until: float) -> list[tuple[Target, float]]:
        return due(self._targets, self._phases, since, until, settings.BERTH_PROBE_SECONDS)

    async def _one(self, target: Target, at: float) -> None:
        try:
            async with self._room:
                look = await look_at(target, datetime.fromtimestamp(at, UTC))
        except Exception:
            logger.exception("instance %s could not be looked at", target.instance)
            return
        self._looks.append(look)

    async def _read_targets(self) -> None:
        found = await self._in_database(targets.targets)
        self._targets, self._phases = found, [each.phase for each in found]

    async def _write(self) -> None:
        looks, self._looks = self._looks, []
        if not looks:
            return
        try:
            turns = await self._in_database(lambda: health.record(looks=looks))
        except BaseException:
            self._looks = [*looks, *self._looks][-KEPT_BACK:]
            raise
        if turns:
            await self._settle()

    async def _settle(self) -> None:
        opened = await self._in_database(lambda: outages.settle(now=datetime.now(UTC)))
        for each in opened:
            self._causes.submit(causes.find, each)

    async def _in_database(self, work: Callable[[], T]) -> T:
        def at_work() -> T:
            close_old_connections()
            return work()

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._database, at_work)


def due(
    found: Sequence[Target], phases: Sequence[float], since: float, until: float, interval: float
) -> list[tuple[Target, float]]:
    """The targets whose moment lies after ``since`` and not after ``until``, with that moment.

    ``phases`` are those of the targets, in order. Moments are multiples of the interval plus the
    phase, so that every process has the same.
    """
    result: list[tuple[Target, float]] = []
    turn = int(since // interval)
    while turn * interval <= until:
        first = bisect_right(phases, (since - turn * interval) / interval)
        last = bisect_right(phases, (until - turn * interval) / interval)
        result += [(each, (turn + each.phase) * interval) for each in found[first:last]]
        turn += 1
    return result


async def look_at(target: Target, at: datetime) -> Look:
    """Ask the app itself, and at its public address, at the same time."""
    timeout = timedelta(seconds=settings.BERTH_PROBE_TIMEOUT_SECONDS)
    places = [(target.address, target.port)]
    if target.is_public:
        places.append((settings.BERTH_EDGE_ADDRESS, settings.BERTH_EDGE_PORT))
    answers = await asyncio.gather(
        *(
            probe_async.http(
                *place,
                target.path,
                host=target.hostname,
                media_type=target.media_type,
                timeout=timeout,
            )
            for place in places
        )
    )
    return _look(target, at, answers[0], answers[1] if target.is_public else None)


def _look(target: Target, at: datetime, own: Timed, public: Timed | None) -> Look:
    is_public_ok = public is None or public.probe.is_ok
    return Look(
        instance=target.instance,
        at=at,
        ended_at=datetime.now(UTC),
        is_up=own.probe.is_ok and is_public_ok,
        is_answering=own.probe.is_ok,
        status=own.probe.status,
        ms=own.ms if own.probe.status else None,
        public_status=public.probe.status if public else None,
        public_ms=public.ms if public and public.probe.status else None,
        error=_error(own, public)[:LONGEST_ERROR],
    )


def _error(own: Timed, public: Timed | None) -> str:
    """What was wrong, in the words of the page; empty where nothing was."""
    if not own.probe.is_ok:
        return own.probe.error or f"the app answered {own.probe.status}"
    if public is None or public.probe.is_ok:
        return ""
    what = public.probe.error or f"the answer was {public.probe.status}"
    return f"at its public address: {what}"


def _connections() -> int:
    """How many may be open at once: as many as the process may have, less what else it needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_AT_ONCE + 256
    limit = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return max(8, (max(soft, limit) - 256) // 2)
