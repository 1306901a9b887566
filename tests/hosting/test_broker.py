"""A Redis that ends takes no worker with it."""

from __future__ import annotations

import logging
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from kombu import Connection, Consumer, Message, Queue

BELLS, COMMANDS = Queue("bells", no_declare=True), Queue("commands", no_declare=True)


@dataclass
class Redis:
    """A Redis of the test's own, which may be killed."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


@pytest.fixture
def redis() -> Iterator[Redis]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield Redis(port, process)
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "Redis does not answer"
            time.sleep(0.02)


def test_a_worker_that_waits_and_works_when_redis_ends_gets_rid_of_its_connection(
    redis: Redis,
) -> None:
    heard: list[Message] = []
    connection = Connection(redis.url)
    channel: Any = connection.default_channel
    connection.Producer().publish({}, routing_key="bells", declare=[BELLS])
    Consumer(channel, [BELLS], on_message=heard.append).consume()
    Consumer(connection.channel(), [COMMANDS]).consume()  # workers have more than one
    connection.drain_events(timeout=5)
    with suppress(TimeoutError):  # it waits for the next one while it works on the first
        connection.drain_events(timeout=0.1)
    redis.process.kill()
    redis.process.wait()
    # What Celery does about it; what this raises is the end of the worker's main process.
    connection.collect(socket_timeout=1)
    connection.close()
    heard[0].ack_log_error(logging.getLogger(), connection.connection_errors)
    assert channel.closed
