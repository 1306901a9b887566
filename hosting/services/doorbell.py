"""Telling workers that there is something to do.

The database holds what is to be done; a bell that is not heard costs seconds, since the sweeper
rings again. So a broker that does not answer is logged and nothing more.
"""

from __future__ import annotations

import logging
import uuid

from celery import current_app
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def ring(*, operation_id: uuid.UUID) -> None:
    """Ask any worker to look at the operation."""
    _send("hosting.tasks.run_operation", str(operation_id))


def ring_edge() -> None:
    """Ask any worker to bring the edge up to date."""
    _send("hosting.tasks.publish_edge")


def _send(task: str, *args: str) -> None:
    try:
        current_app.send_task(task, args=args, retry=False)
    except OperationalError as error:
        logger.warning("the broker did not take %s; the sweeper will ring again: %s", task, error)
