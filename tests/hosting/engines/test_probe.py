"""The look at an address, where a tenant answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
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


def test_a_head_that_drips_is_no_answer() -> None:
    """Each byte comes in time, and the head never ends."""
    given_up = threading.Event()

    class Dripping(_Endless):
        def do_GET(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not given_up.wait(0.05):
                try:
                    self.wfile.write(b"a")
                except OSError:
                    given_up.set()

    with ThreadingHTTPServer(("127.0.0.1", 0), Dripping) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        found = probe.http(url, host="book.acme.example", timeout=timedelta(seconds=0.5))
        assert found.error == "no answer within 0.5 s"
        assert given_up.wait(30)  # it was hung up on
        server.shutdown()


def test_a_page_that_says_wait_is_not_the_answer() -> None:
    """n8n answers every path so while it migrates its database."""
    page = probe.judged(200, "text/html; charset=utf-8", "application/json")
    assert not page.is_ok
    assert "not yet with application/json" in page.error
    assert probe.judged(200, "application/json; charset=utf-8", "application/json").is_ok
    assert probe.judged(204, "", "").is_ok
    assert not probe.judged(503, "application/json", "application/json").is_ok


def test_nobody_there_is_no_answer() -> None:
    found = probe.http("http://127.0.0.1:1/", host="book.acme.example")
    assert not found.is_ok
    assert found.error
