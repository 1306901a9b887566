"""Waiting for what has to come true."""

from __future__ import annotations

import time
from collections.abc import Callable


class NotInTime(Exception):
    """It did not come true."""


def wait_until(
    condition: Callable[[], object], *, seconds: float, what: str, pause: float = 0.05
) -> None:
    """Wait until the condition holds. Raises ``NotInTime``, naming what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {seconds:g} s: {what}")
        time.sleep(pause)
