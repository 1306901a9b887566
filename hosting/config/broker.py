"""Celery's way to Redis, which also gets over a Redis that ends while tasks are being worked on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from queue import Empty

from kombu.transport import redis


class Channel(redis.Channel):
    """A channel that is closed for good by the first attempt.

    kombu 5.7 first reads the answer to the question it is waiting with. Where Redis has ended that
    raises, and the channel stays open without its transport: Celery's second attempt to close it,
    and each message that is still to be acknowledged, then end the whole worker.
    """

    # Its types leave out what it has.
    _in_poll: object
    _brpop_read: Callable[[], object]
    connection_errors: tuple[type[Exception], ...]

    def close(self) -> None:
        """Close it, whether or not Redis still answers."""
        if self._in_poll:
            with suppress(Empty, *self.connection_errors):
                self._brpop_read()
        super().close()


class Transport(redis.Transport):
    """What ``redis://`` means; see ``hosting.config.celery``."""

    Channel = Channel
