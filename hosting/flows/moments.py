"""Moments of an operation at which a test may end the worker.

``BERTH_DIE_AT=<kind>/<step>/<moment>`` in a worker's environment makes its process kill itself
there by SIGKILL: no handler runs, no connection is closed, nothing is said. Of several, with spaces
between them, it is the first that it comes to. It is how tests/chaos shows that every operation
survives at every step. Where it is not set this does nothing.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum


class Moment(StrEnum):
    """Where in a step, in the order in which they come."""

    BEFORE = "before"  # begun on paper, nothing done
    WITHIN = "within"  # the engine is about to be told the first change
    DONE = "done"  # everything done, nothing recorded
    AFTER = "after"  # done and recorded


def reached(kind: str, step: str, moment: Moment) -> None:
    """End this process if its environment says so."""
    if f"{kind}/{step}/{moment}" in os.environ.get("BERTH_DIE_AT", "").split():
        os.kill(os.getpid(), signal.SIGKILL)
