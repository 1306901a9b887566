"""Run things at once, each with a database connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def _closing(work: Callable[[], T]) -> Callable[[], T]:
    def run() -> T:
        try:
            return work()
        finally:
            connection.close()

    return run


def at_once(*works: Callable[[], T], timeout: float = 60) -> list[Future[T]]:
    """All of them, finished; ask each future for its result or its error."""
    with ThreadPoolExecutor(max_workers=len(works)) as pool:
        futures = [pool.submit(_closing(work)) for work in works]
        for each in futures:
            each.exception(timeout=timeout)
    return futures
