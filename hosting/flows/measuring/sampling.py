"""Reading what instances use: two threads a server, and what is made of the readings.

One thread reads all containers of the server every 15 s, the other measures its volumes every ten
minutes. A server that does not answer holds up nobody but itself, and one whose circuit breaker is
open is left alone; the reconciler notices when it is back. Any number of processes may sample the
same servers: a round is taken by one of them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from hosting.engines.errors import EngineError
from hosting.flows.engines import engine_for
from hosting.models import Server
from hosting.services.measuring import limit_warnings, rollups, samples
from hosting.services.watching import container_looks

logger = logging.getLogger(__name__)

# How soon and how late it is asked again whether something is due.
SOONEST = timedelta(seconds=1)
LATEST = timedelta(seconds=15)
CLOCKS_DIFFER_BY = timedelta(minutes=1)  # at most
VOLUMES_WITHIN = timedelta(seconds=60)
PAUSE_AFTER_TROUBLE = timedelta(seconds=15)


class ServerSampling:
    """Samples one server until it is told to end."""

    def __init__(self, server: Server) -> None:
        self.server_id = server.pk
        self._over = threading.Event()
        parts = ((read_if_due, "sample_at"), (measure_if_due, "volumes_at"))
        self._threads = [
            threading.Thread(
                target=self._run, args=part, daemon=True, name=f"{server}-{part[0].__name__}"
            )
            for part in parts
        ]

    def start(self) -> None:
        """Returns at once."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """The threads end at their next pause."""
        self._over.set()

    def _run(self, part: Callable[[Server], bool], due_at: str) -> None:
        """Call it whenever it is due. What goes wrong is said, and tried again after a pause.

        While it waits it has no connection: with two threads a server the database would have none
        left for others.
        """
        while not self._over.is_set():
            pause = SOONEST
            try:
                pause = self._look(part, due_at)
            except EngineError as error:
                logger.info("sampling server %s: %s", self.server_id, error)
            except DatabaseError as error:
                logger.warning("sampling server %s: the database: %s", self.server_id, error)
                pause = PAUSE_AFTER_TROUBLE
            except Server.DoesNotExist:
                self._over.set()
            except Exception:
                logger.exception("sampling server %s failed; trying again", self.server_id)
                pause = PAUSE_AFTER_TROUBLE
            connection.close()
            self._over.wait(pause.total_seconds())

    def _look(self, part: Callable[[Server], bool], due_at: str) -> timedelta:
        """Call it, and say how long to wait then.

        Not where this machine's clock is wrong: readings would lie among those of another hour.
        What is used meanwhile is known from the first reading by a clock that is right.
        """
        server = Server.objects.annotate(database_at=Now()).get(pk=self.server_id)
        difference = abs(timezone.now() - server.database_at)
        if difference > CLOCKS_DIFFER_BY:
            logger.warning(
                "sampling server %s: this machine's clock and the database's are %s apart; it is"
                " left alone until they agree",
                self.server_id,
                difference,
            )
            return LATEST
        part(server)
        return self._until(due_at)

    def _until(self, due_at: str) -> timedelta:
        """How long to wait: until it is due, or for the reconciler to find the server again."""
        due, retry_at = Server.objects.values_list(due_at, "retry_at").get(pk=self.server_id)
        if retry_at is not None:
            return LATEST
        left: timedelta = due - timezone.now()
        return min(max(left, SOONEST), LATEST)


def read_if_due(server: Server) -> bool:
    """One reading of all its containers, if it is due; whether it was.

    How they stand comes with it: a server that does not answer is no look at them.
    """
    if not samples.take_round(server=server):
        return False
    wanted = samples.to_read(server=server)
    asked_at = timezone.now()
    readings = engine_for(server).sample(wanted)
    now = timezone.now()
    usages = {instance: each.usages for instance, each in readings.items()}
    samples.record(server=server, usages=usages, now=now)
    container_looks.record(server=server, readings=readings, at=asked_at, ended_at=now)
    return True


def measure_if_due(server: Server) -> bool:
    """How much its volumes hold, if that is due; whether it was."""
    if not samples.take_volumes(server=server):
        return False
    wanted = samples.to_read(server=server)
    if not connection.in_atomic_block:
        connection.close()  # for the minutes that it takes
    sizes = engine_for(server).volume_sizes(wanted, within=VOLUMES_WITHIN)
    samples.record_volumes(sizes=sizes, at=timezone.now())
    return True


def note_newest() -> None:
    """What lists show of every instance."""
    rollups.note_newest(now=timezone.now())


def roll_up() -> None:
    """Quarters and days of what was read, and the warnings that follow from them."""
    now = timezone.now()
    rollups.roll_up(now=now)
    limit_warnings.watch(now=now)
