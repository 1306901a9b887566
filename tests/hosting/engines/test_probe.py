"""The look at an address, where a tenant answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hosting.engines import probe


class _Endless(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        until = time.monotonic() + 8
        try:
            while time.monotonic() < until:
                self.wfile.write(b"x" * 65536)
                time.sleep(0.01)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@pytest.fixture
def endless() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endless)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_answer_without_an_end_costs_no_time(endless: str) -> None:
    begun = time.monotonic()
    assert probe.http(endless, host="book.acme.example").is_ok
    assert time.monotonic() - begun < 3


def test_nobody_there_is_no_answer() -> None:
    found = probe.http("http://127.0.0.1:1/", host="book.acme.example")
    assert not found.is_ok
    assert found.error
