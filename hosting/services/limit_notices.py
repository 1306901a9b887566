"""Telling a client how much of what its plan includes is used.

The one place through which thresholds leave Berth: what has been told is marked, so that it is
told once, and what could not be is told the next time.
"""

from __future__ import annotations

import logging

from hosting.models import LimitReached

logger = logging.getLogger(__name__)


def tell(*, reached: LimitReached) -> None:
    """Say it in the log; the row itself is what the dashboard shows."""
    logger.info(
        "instance %s has used %s %% of its %s for %s",
        reached.instance_id,
        reached.threshold,
        reached.limit,
        reached.month,
    )
