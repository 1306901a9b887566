"""The real nginx in a directory of its own, with small backends behind it."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from websockets.sync.server import Server, ServerConnection
from websockets.sync.server import serve as serve_websockets

from hosting.engines.nginx import Site, SiteState
from tests.hosting.engines.nginx.edge import Edge
from tests.hosting.engines.nginx.holding import App, Holding


class Echo(BaseHTTPRequestHandler):
    """Answers every request with what arrived, as JSON."""

    protocol_version = "HTTP/1.1"
    server: Backend

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        while length > 0:
            length -= len(self.rfile.read(min(length, 65536)))
        seen = {"backend": self.server.name, "path": self.path, "headers": dict(self.headers)}
        body = json.dumps(seen | {"length": int(self.headers.get("Content-Length") or 0)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - http.server asks for this name

    def log_message(self, format: str, *arguments: object) -> None:
        """Tests print nothing."""


class Backend(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.name = name


@pytest.fixture
def edge() -> Iterator[Edge]:
    # Not tmp_path: that is closed to nginx's own user, and too long for a socket's path.
    directory = Path(tempfile.mkdtemp(prefix="berth-edge-"))
    directory.chmod(0o755)
    edge = Edge(directory)
    yield edge
    edge.stop()
    shutil.rmtree(directory)


@pytest.fixture
def backend() -> Iterator[Callable[[str], int]]:
    """Starts an echo backend of that name; gives its port."""
    with ExitStack() as running:

        def start(name: str) -> int:
            server = running.enter_context(Backend(name))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            running.callback(server.shutdown)
            return int(server.server_address[1])

        yield start


@pytest.fixture
def websocket_backend() -> Iterator[Callable[[], int]]:
    """Starts a backend that echoes every WebSocket message; gives its port."""

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with ExitStack() as running:

        def start() -> int:
            server: Server = running.enter_context(serve_websockets(echo, "127.0.0.1", 0))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            running.callback(server.shutdown)
            return int(server.socket.getsockname()[1])

        yield start


@pytest.fixture
def site() -> Callable[..., Site]:
    """Makes the site of one client on the loopback address."""

    def make(
        client: str, port: int = 9, state: SiteState = "serving", max_body_bytes: int = 2**20
    ) -> Site:
        return Site(
            instance=f"{client}-n8n",
            hostnames=(f"n8n.{client}.example",),
            address="127.0.0.1",
            port=port,
            state=state,
            max_body_bytes=max_body_bytes,
        )

    return make


@pytest.fixture
def app() -> Iterator[App]:
    app = App()
    yield app
    app.down()


@pytest.fixture
def holding(edge) -> Holding:
    return Holding(edge)


@pytest.fixture
def sending() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as threads:
        yield threads
