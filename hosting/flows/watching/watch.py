"""Watching servers: two threads a server, one that listens and one that acts.

The listener follows the engine's event stream, from the last event that was heard, and through
restarts of the engine. The other looks closer at once at the instances that something happened to,
and compares the whole server every 30 s. Any number of processes may watch the same servers: a
round is taken by one of them, and a repair that two ask for is asked for once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from hosting.engines.errors import EngineError
from hosting.engines.observed import Event
from hosting.flows.engines import engine_for
from hosting.flows.watching import reconcile
from hosting.models import Crash, Server
from hosting.services import servers
from hosting.services.measuring import samples

logger = logging.getLogger(__name__)

# What happens together is looked at together, and once the engine had time to restart it.
SETTLE_SECONDS = 1.0
DEATHS_THAT_MAKE_A_LOOP = 5
DEATHS_WITHIN = timedelta(minutes=10)
TOLD = ("kill", "stop", "restart")
TOLD_WITHIN = timedelta(seconds=30)  # a death so soon after a kill was somebody's wish
LONGEST_PAUSE_SECONDS = 30.0
ASK_EVERY_SECONDS = 2.0  # whether a round is due


class Deaths:
    """Counts how often services ended without being told to."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], deque[datetime]] = defaultdict(deque)
        self._told_at: dict[tuple[str, str], datetime] = {}

    def notice(self, event: Event) -> bool:
        """Take in one event of the stream; whether it is a death that nobody wished."""
        key = (event.instance, event.service)
        if event.action in TOLD:
            self._told_at[key] = event.occurred_at
        if event.action in (*TOLD, "create"):
            # Somebody put it in order, or another in its place: earlier deaths say nothing now.
            self._at.pop(key, None)
        if event.action != "die":
            return False
        told_at = self._told_at.get(key)
        is_unwished = told_at is None or event.occurred_at - told_at > TOLD_WITHIN
        if is_unwished:
            self._at[key].append(event.occurred_at)
        return is_unwished

    def loops(self, now: datetime) -> dict[str, list[str]]:
        """Instance -> services that died too often of late."""
        for key, told_at in list(self._told_at.items()):
            if now - told_at > 2 * TOLD_WITHIN:
                del self._told_at[key]
        found: dict[str, list[str]] = defaultdict(list)
        for (instance, service), deaths in list(self._at.items()):
            while deaths and now - deaths[0] > DEATHS_WITHIN:
                deaths.popleft()
            if not deaths:
                del self._at[instance, service]
            elif len(deaths) >= DEATHS_THAT_MAKE_A_LOOP:
                found[instance].append(service)
        return found


class ServerWatch:
    """Watches one server until it is told to end."""

    def __init__(self, server: Server) -> None:
        self.server_id = server.pk
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._changed: dict[str, float] = {}  # instance -> when the first change was heard
        self._deaths = Deaths()
        self._heard_until = server.events_until or datetime.now(UTC)
        self._threads = [
            threading.Thread(target=self._run, args=(part,), daemon=True, name=f"{server}-{name}")
            for name, part in (("listener", self._listen), ("rounds", self._act))
        ]

    def start(self) -> None:
        """Returns at once."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """The threads end at their next pause; a listener that waits for an event ends with us."""
        self._over.set()

    def _run(self, part: Callable[[], None]) -> None:
        """Call it again and again. What goes wrong is said, and tried again after a pause."""
        pause = 1.0
        while not self._over.is_set():
            began = time.monotonic()
            try:
                close_old_connections()
                part()
            except EngineError as error:
                logger.info("watching server %s: %s", self.server_id, error)
            except DatabaseError as error:
                logger.warning("watching server %s: the database: %s", self.server_id, error)
                connection.close()
            except Server.DoesNotExist:
                self._over.set()
            except Exception:
                logger.exception("watching server %s failed; trying again", self.server_id)
            went_well = time.monotonic() - began > LONGEST_PAUSE_SECONDS
            pause = 1.0 if went_well else min(pause * 2, LONGEST_PAUSE_SECONDS)
            self._over.wait(pause)
        connection.close()

    def _listen(self) -> None:
        """Until the stream breaks."""
        server = Server.objects.get(pk=self.server_id)
        # An engine that restarted has forgotten its events, so what was missed shows in a round.
        servers.want_round(server=server)
        connection.close()  # the stream may be quiet for hours
        for event in engine_for(server).events(settings.BERTH_OWNER, since=self._heard_until):
            with self._lock:
                is_unwished = self._deaths.notice(event)
                self._changed.setdefault(event.instance, time.monotonic())
                self._heard_until = max(self._heard_until, event.occurred_at)
            _record_crash(event, is_unwished=is_unwished)
            if self._over.is_set():
                return

    def _act(self) -> None:
        """Until something goes wrong."""
        saved = None
        asked = 0.0
        while not self._over.wait(0.2):
            instances, loops, heard_until = self._take_changes()
            if not instances and time.monotonic() - asked < ASK_EVERY_SECONDS:
                continue
            close_old_connections()
            asked = time.monotonic()
            server = Server.objects.get(pk=self.server_id)
            if saved != heard_until:
                servers.record_events_until(server=server, at=heard_until)
                saved = heard_until
            if instances and not server.is_silent:
                reconcile.some(server, instances, loops)
            if servers.take_round(server=server, every=reconcile.EVERY):
                reconcile.whole(server)

    def _take_changes(self) -> tuple[Collection[str], reconcile.Deaths, datetime]:
        """What was heard long enough ago to have settled."""
        with self._lock:
            now = time.monotonic()
            settled = [pk for pk, at in self._changed.items() if now - at >= SETTLE_SECONDS]
            for pk in settled:
                del self._changed[pk]
            return settled, self._deaths.loops(datetime.now(UTC)), self._heard_until


def _record_crash(event: Event, *, is_unwished: bool) -> None:
    """Write down a death that nobody wished, and one for want of memory."""
    kinds = {"oom": Crash.Kind.OUT_OF_MEMORY} | ({"die": Crash.Kind.ENDED} if is_unwished else {})
    if event.action in kinds and event.service:
        close_old_connections()
        samples.record_crash(
            instance=event.instance,
            service=event.service,
            kind=kinds[event.action],
            at=event.occurred_at,
        )
        connection.close()  # the stream may be quiet for hours
