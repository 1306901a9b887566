"""A socket in front of the engine's own, to cut the line as an engine's restart does."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

ENGINE = "/var/run/docker.sock"


class Relay:
    """Passes on what comes to ``path``; while it is down nothing answers there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener: socket.socket | None = None
        self._ends: list[socket.socket] = []
        self._threads: list[Thread] = []

    @property
    def endpoint(self) -> str:
        return f"unix://{self.path}"

    def up(self) -> None:
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._run(self._accept, self._listener)

    def down(self) -> None:
        """Close the socket and every connection, in the middle of whatever is being said."""
        if self._listener is None:
            return
        for each in (self._listener, *self._ends):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._ends):
            each.close()
        self._listener, self._ends, self._threads = None, [], []

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                inner, _ = listener.accept()
            except OSError:
                return  # shut down
            outer = socket.socket(socket.AF_UNIX)
            outer.connect(ENGINE)
            self._ends += [inner, outer]
            self._run(self._pass_on, inner, outer)
            self._run(self._pass_on, outer, inner)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _run(self, deed: Callable[..., None], *ends: socket.socket) -> None:
        thread = Thread(target=deed, args=ends, daemon=True)
        thread.start()
        self._threads.append(thread)


@contextmanager
def relayed(folder: Path) -> Iterator[Relay]:
    """A relay that is up."""
    relay = Relay(folder / "docker.sock")
    relay.up()
    try:
        yield relay
    finally:
        relay.down()
