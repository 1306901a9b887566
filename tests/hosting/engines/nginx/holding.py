"""The holding process in a thread, and an app that is up only when a test says so."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hosting.engines.nginx import Applied, Holder, Holds, Limits, render
from tests.hosting.engines.nginx.edge import Edge, free_port

MEGABYTE = bytes(range(256)) * 4096


@dataclass
class App:
    """A port that refuses connections until the app is up; then it keeps what arrives."""

    port: int = field(default_factory=free_port)
    arrived: list[dict[str, object]] = field(default_factory=list)
    server: ThreadingHTTPServer | None = None

    def up(self) -> None:
        app = self

        class Keep(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.body()
                app.arrived.append(
                    {
                        "method": self.command,
                        "path": self.path,
                        "headers": {name.lower(): value for name, value in self.headers.items()},
                        "body": body,
                    }
                )
                self.send_response(201)
                self.send_header("X-Seen", self.command)
                self.send_header("Content-Length", "4")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(b"kept")

            do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815

            def body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") == "chunked":
                    return b"".join(iter(self.chunk, b""))
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def chunk(self) -> bytes:
                data = self.rfile.read(int(self.rfile.readline(), 16))
                self.rfile.readline()
                return data

            def log_message(self, format: str, *arguments: object) -> None:
                """Tests print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Keep)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def down(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


@dataclass
class Holding:
    """The holding process in a thread, and what the edge is told."""

    edge: Edge

    @property
    def holds(self) -> Holds:
        return Holds(self.edge.directory)

    def show(self, *sites, **settings) -> Applied:
        """What publishing does with these sites."""
        self.holds.begin(sites)
        applied = self.edge.nginx.apply(render(sites, self.edge.settings(**settings)))
        self.holds.end(sites)
        return applied

    @contextlib.contextmanager
    def running(self, limits: Limits | None = None) -> Iterator[Holder]:
        started: Future[tuple[Holder, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

        async def run() -> None:
            holder, over = Holder(self.edge.directory, limits or Limits()), asyncio.Event()
            started.set_result((holder, asyncio.get_running_loop(), over))
            await holder.run(over)

        with ThreadPoolExecutor(1) as threads:
            ended = threads.submit(asyncio.run, run())
            holder, loop, over = started.result(10)
            wait_until((self.edge.directory / "hold.sock").exists)
            try:
                yield holder
            finally:
                loop.call_soon_threadsafe(over.set)
                ended.result(20)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waiting(holder: Holder, instance: str = "acme-n8n") -> int:
    return len(holder._waiting.get(instance, {}))
