"""Whom the edge and its holding process believe, and what they tell nobody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hosting.engines.errors import GiveUp
from hosting.engines.nginx import Holder, Limits
from tests.hosting.engines.nginx.holding import wait_until, waiting


def test_an_instance_cannot_have_the_edge_dial_what_it_likes(edge, holding, backend, app, site):
    app.up()

    class Redirects(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("X-Accel-Redirect", "@berth_app")
            self.send_header("X-Berth-Upstream", f"127.0.0.1:{app.port}")
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"own")

        def log_message(self, format: str, *arguments: object) -> None:
            """Tests print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Redirects) as evil:
        threading.Thread(target=evil.serve_forever, daemon=True).start()
        holding.show(site("acme", evil.server_address[1]))
        edge.start()
        assert edge.get("n8n.acme.example").body == b"own"
        evil.shutdown()
    assert not app.arrived


def test_nothing_of_a_held_request_is_in_a_log_but_its_path(
    edge, holding, app, site, sending, caplog
):
    serving = site("acme", app.port)
    holding.show(replace(serving, state="holding"))
    edge.start()
    with caplog.at_level("DEBUG"), holding.running() as holder:
        held = sending.submit(
            edge.get,
            "n8n.acme.example",
            "/hook?token=s3cret",
            method="POST",
            headers={"Authorization": "s3cret"},
            body=b"s3cret",
        )
        wait_until(lambda: waiting(holder) == 1)
        app.up()
        holding.show(serving)
        assert held.result(20).status == 201
    edge.stop()
    (line,) = (edge.directory / "logs" / "access.log").read_text().splitlines()
    logged = json.loads(line)
    assert (logged["method"], logged["path"], logged["status"]) == ("POST", "/hook", 201)
    for log in (edge.directory / "logs").iterdir():
        assert "s3cret" not in log.read_text()
    assert "s3cret" not in caplog.text


def test_a_second_holding_process_is_refused(edge, holding):
    with holding.running():
        with pytest.raises(GiveUp, match="are held already"):
            asyncio.run(Holder(edge.directory, Limits()).run(asyncio.Event()))
        assert (edge.directory / "hold.sock").exists()


@pytest.mark.parametrize(
    "question",
    [
        b"POST /held/acme-n8n HTTP/1.1\r\nX-Berth-Size: 1\r\n\r\n",
        b"GET /held/../x HTTP/1.1\r\nX-Berth-Size: 1\r\n\r\n",
        b"GET /held/acme-n8n HTTP/1.1\r\n\r\n",
        b"GET " + b"x" * 9000,
    ],
)
def test_a_question_that_nginx_does_not_ask_is_not_answered(edge, holding, question):
    with holding.running(), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(edge.directory / "hold.sock"))
        # What is closed before all of it was read is reset: no answer either.
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(question)
            assert connection.recv(100) == b""
