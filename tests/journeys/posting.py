"""Clients that post while their instance is away, and the process that holds what they post."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from hosting.models import Instance
from tests.journeys.portal import BASE, Edge, environment, wait_until

CLIENTS = 6


@dataclass
class Hold:
    """The holding process, as a supervisor runs it."""

    log: Path
    socket: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "hold"],
                cwd=BASE,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environment(), "BERTH_EDGE_HOLD_SECONDS": "120"},
            )
        wait_until(self.socket.exists, seconds=30, what="the holding process listens")

    def end(self, signum: signal.Signals = signal.SIGTERM) -> int | None:
        if self.process is None:
            return None
        self.process.send_signal(signum)
        status = self.process.wait(20)
        self.process = None
        return status


@dataclass(frozen=True)
class Answer:
    text: str
    status: int
    at: float
    seconds: float


@dataclass
class Posters:
    """Clients that sign the guestbook several times a second, a new connection each time."""

    url: str
    host: str
    answers: list[Answer] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @contextmanager
    def posting(self) -> Iterator[None]:
        over = threading.Event()
        threads = [
            threading.Thread(target=self._post, args=(number, over)) for number in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join(150)
        assert not any(thread.is_alive() for thread in threads)

    def _post(self, client: int, over: threading.Event) -> None:
        number = 0
        while not over.wait(0.2):
            number += 1
            text = f"client {client} entry {number}"
            began = time.monotonic()
            try:
                status = sign(self.url, self.host, text).status_code
            except httpx.HTTPError as error:
                self.errors.append(f"{text}: {error!r}")
            else:
                now = time.monotonic()
                self.answers.append(Answer(text, status, now, now - began))


def sign(url: str, host: str, text: str) -> httpx.Response:
    """Sign the guestbook as a webhook's sender would, with all the patience that it takes."""
    headers = {"Host": host}
    return httpx.post(url, headers=headers, json={"text": text}, timeout=130, trust_env=False)


def signed(edge: Edge, instance: Instance) -> Counter[str]:
    """The guestbook's own rows, by text."""
    return Counter(each["text"] for each in edge.get(instance, "/entries").json()["entries"])
