"""The process that watches servers."""

from __future__ import annotations

import logging
import signal
import threading
import uuid
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from hosting.flows.watching.watch import ServerWatch
from hosting.flows.working import periodic
from hosting.models import Server

logger = logging.getLogger(__name__)

EVERY_SECONDS = 5.0


class Command(BaseCommand):
    """Follows the servers' events, compares them with the database, and rings for what is due.

    The last makes it a second scheduler: where celery's is away, operations go on all the same.
    """

    help = "Watch all servers: follow their events and put right what has drifted."

    def handle(self, *args: Any, **options: Any) -> None:
        over = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: over.set())
        watches: dict[uuid.UUID, ServerWatch] = {}
        fetching = threading.Thread(target=_fetch_journals, args=(over,), daemon=True)
        fetching.start()
        while not over.is_set():
            try:
                close_old_connections()
                _watch_all(watches)
                periodic.sweep()
            except DatabaseError as error:
                logger.warning("the database: %s; trying again", error)
                connection.close()
            except Exception:
                logger.exception("the watch failed; trying again")
            over.wait(EVERY_SECONDS)
        for watch in watches.values():
            watch.end()


def _fetch_journals(over: threading.Event) -> None:
    """Beside the workers, which may all be busy for longer than a journal may wait."""
    while not over.wait(EVERY_SECONDS):
        try:
            close_old_connections()
            periodic.ship_journals()
        except DatabaseError as error:
            logger.warning("the database: %s; trying again", error)
            connection.close()
        except Exception:
            logger.exception("fetching the journals failed; trying again")
    connection.close()


def _watch_all(watches: dict[uuid.UUID, ServerWatch]) -> None:
    """A watch for every server that there is, and for no other."""
    servers = {server.pk: server for server in Server.objects.all()}
    for pk in watches.keys() - servers.keys():
        watches.pop(pk).end()
    for pk in servers.keys() - watches.keys():
        watches[pk] = ServerWatch(servers[pk])
        watches[pk].start()
