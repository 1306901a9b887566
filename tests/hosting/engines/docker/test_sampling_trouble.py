"""One container about whose usage the engine says nothing holds up none of the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from hosting.engines.docker import metering
from hosting.engines.docker.client import Client
from hosting.engines.errors import TryLater

STATS = {
    "memory_stats": {"usage": 1000},
    "cpu_stats": {"cpu_usage": {"total_usage": 2_000_000_000}},
}
LISTED = [
    {
        "Id": name,
        "State": "running",
        "Status": "Up 3 minutes",
        "Labels": {"berth.instance": "book", "berth.service": name},
    }
    for name in ("web", "db", "hung")
]


class _Engine(BaseHTTPRequestHandler):
    """Speaks as an engine does of which one container's process hangs."""

    released = Event()

    def do_GET(self) -> None:
        if self.path.endswith("/version"):
            self._answer({"ApiVersion": "1.41"})
        elif "/containers/json" in self.path:
            self._answer(LISTED)
        elif "/containers/hung/" in self.path:
            self.released.wait(60)
        else:
            self._answer(STATS)

    def _answer(self, said: object) -> None:
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing."""


@contextmanager
def _engine() -> Iterator[Client]:
    _Engine.released.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Engine)
    Thread(target=server.serve_forever, daemon=True).start()
    client = Client(f"tcp://127.0.0.1:{server.server_port}", tls=None, timeout_seconds=30)
    try:
        yield client
    finally:
        client.close()
        _Engine.released.set()
        server.shutdown()
        server.server_close()


def test_the_others_are_read_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metering, "STATS_SECONDS", 0.5)
    with _engine() as client:
        read = metering.read(client, ("book",))["book"]
    assert [each.service for each in read.standings] == ["db", "hung", "web"]
    assert [(each.service, each.cpu_seconds) for each in read.usages] == [("db", 2.0), ("web", 2.0)]
    assert "did not answer in time about the usage of the container hung" in caplog.text


def test_where_none_is_told_the_round_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "STATS_SECONDS", 0.5)
    with _engine() as client, pytest.raises(TryLater, match="did not answer in time"):
        metering.through_engine(client, ["hung"])
