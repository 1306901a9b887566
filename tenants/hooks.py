"""Where rooms above have something to do: they register when their app starts."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from tenants.clocks import Clock
from tenants.models import Client


class MoveListener(Protocol):
    """Does what follows when a client moved to another time zone, in the same transaction.

    The day that runs may end at another moment than by the clock ``before``; what is over stays.
    """

    def __call__(self, *, client: Client, before: Clock, now: datetime) -> None: ...


_move_listeners: list[MoveListener] = []


def register_move_listener(listener: MoveListener) -> MoveListener:
    """Call ``listener`` whenever a client moves; usable as a decorator."""
    if listener not in _move_listeners:
        _move_listeners.append(listener)
    return listener


def tell_moved(*, client: Client, before: Clock, now: datetime) -> None:
    """Call everyone who registered."""
    for listener in _move_listeners:
        listener(client=client, before=before, now=now)
