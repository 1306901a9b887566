"""Doing several things side by side, each in a process of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from typing import TypeVar

from django.db import connections

LANES = 6  # each mostly waits, for a lease to run out or for Docker
_Given = TypeVar("_Given")
_Result = TypeVar("_Result")


def side_by_side(function: Callable[[_Given], _Result], given: Iterable[_Given]) -> list[_Result]:
    """What the function makes of each, in their order; so many at a time."""
    connections.close_all()  # a forked process must not share one
    with multiprocessing.get_context("fork").Pool(LANES) as pool:
        results = pool.map(function, given, chunksize=1)
        # Leaving the block terminates them, and a SIGTERM that Python handles is lost on one that
        # just begins to wait for the lock of the queue: it would be waited for without end.
        pool.close()
        pool.join()
    return results
