"""The real nginx in a directory of its own, with small backends behind it."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection
from websockets.sync.server import serve as serve_websockets

from hosting.engines.nginx import Listen, Nginx, Settings, Site, SiteState


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def seen(self) -> dict[str, object]:
        """What the echo backend saw."""
        return dict(json.loads(self.body))

    @property
    def seen_headers(self) -> dict[str, str]:
        headers = self.seen["headers"]
        assert isinstance(headers, dict)
        return headers


@dataclass
class Edge:
    """An edge directory, its nginx once started, and a client for it."""

    directory: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def nginx(self) -> Nginx:
        return Nginx(self.directory, timeout_seconds=20)

    def settings(self, **changes: object) -> Settings:
        defaults: dict[str, object] = {
            "directory": self.directory,
            "listens": (Listen("127.0.0.1", self.port),),
            "workers": 2,
            "worker_connections": 256,
        }
        return Settings(**(defaults | changes))  # type: ignore[arg-type]

    def start(self) -> None:
        self.process = subprocess.Popen(self.nginx.start_command())
        deadline = time.monotonic() + 20
        while self.nginx.live_generation() is None:
            assert self.process.poll() is None, "nginx ended at once"
            assert time.monotonic() < deadline, "nginx did not come up"
            time.sleep(0.01)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def get(
        self,
        host: str,
        path: str = "/",
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {"Host": host, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def raw(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            answer = b""
            # nginx lingers after an error, in case that the client is still sending.
            while b"</html>" not in answer and (part := connection.recv(65536)):
                answer += part
            return answer

    def websocket(self, host: str) -> ClientConnection:
        dialled = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return connect(f"ws://{host}:{self.port}/push", sock=dialled)


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
