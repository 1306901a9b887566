"""Telling workers that there is something to do.

The database holds what is to be done; a bell that is not heard costs seconds, since the sweeper
rings again. So a broker that does not answer is logged, and left alone for a while: finding out
that it is away takes seconds, which nobody's request should pay twice.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence

from celery import current_app
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

QUIET_SECONDS = 30.0
_quiet_until = 0.0  # by the monotonic clock of this process


def ring(*, operation_id: uuid.UUID) -> None:
    """Ask any worker to look at the operation."""
    _send("hosting.tasks.run_operation", str(operation_id))


def ring_edge() -> None:
    """Ask any worker to bring the edge up to date."""
    _send("hosting.tasks.publish_edge")


def ring_for(*, task: str, arguments: Sequence[str] = ()) -> None:
    """Ask any worker to do that task, which asks the database what there is to do."""
    _send(task, *arguments)


def _send(task: str, *args: str) -> None:
    global _quiet_until  # noqa: PLW0603  (what this process knows of the broker)
    if time.monotonic() < _quiet_until:
        return
    try:
        current_app.send_task(task, args=args, retry=False)
    except OperationalError as error:
        _quiet_until = time.monotonic() + QUIET_SECONDS
        logger.warning("the broker did not take %s; the sweeper will ring again: %s", task, error)
