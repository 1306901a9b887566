"""The process that reads what instances use."""

from __future__ import annotations

import logging
import signal
import threading
import uuid
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from hosting.flows.measuring.sampling import ServerSampling
from hosting.flows.working import periodic
from hosting.models import Server

logger = logging.getLogger(__name__)

EVERY_SECONDS = 5.0


class Command(BaseCommand):
    """Reads all servers, each in threads of its own, and rolls up what was read.

    Any number of these may run, also where Celery's scheduler rolls up as well.
    """

    help = "Sample what all instances use: CPU, memory, network, disk."

    def handle(self, *args: Any, **options: Any) -> None:
        over = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: over.set())
        sampled: dict[uuid.UUID, ServerSampling] = {}
        while not over.is_set():
            try:
                close_old_connections()
                _sample_all(sampled)
                periodic.roll_up_samples()
            except DatabaseError as error:
                logger.warning("the database: %s; trying again", error)
                connection.close()
            except Exception:
                logger.exception("sampling failed; trying again")
            over.wait(EVERY_SECONDS)
        for each in sampled.values():
            each.end()


def _sample_all(sampled: dict[uuid.UUID, ServerSampling]) -> None:
    """Threads for every server that there is, and for no other."""
    servers = {server.pk: server for server in Server.objects.all()}
    for pk in sampled.keys() - servers.keys():
        sampled.pop(pk).end()
    for pk in servers.keys() - sampled.keys():
        sampled[pk] = ServerSampling(servers[pk])
        sampled[pk].start()
