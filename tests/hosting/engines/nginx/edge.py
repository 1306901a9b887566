"""An nginx in a directory of its own, and a client for it."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from websockets.sync.client import ClientConnection, connect

from hosting.engines.nginx import Listen, Nginx, Settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
