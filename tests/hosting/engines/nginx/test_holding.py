"""Requests for an instance that is away for a change, through the real nginx."""

from __future__ import annotations

import contextlib
import http.client
import socket
import socketserver
import threading
from dataclasses import replace

import pytest

from hosting.engines.nginx import Applied
from tests.hosting.engines.nginx.holding import MEGABYTE, wait_until, waiting


def test_a_post_waits_and_arrives_once_and_whole(edge, holding, app, site, sending):
    serving = site("acme", app.port, max_body_bytes=2**21)
    holding.show(replace(serving, state="holding"))
    edge.start()
    with holding.running() as holder:
        answer = sending.submit(
            edge.get,
            "n8n.acme.example",
            "/webhook/a%2Fb//c?token=s3cret&x=%20y",
            method="POST",
            headers={"Cookie": "session=s3cret", "Content-Type": "image/png", "X-Own": "1"},
            body=MEGABYTE,
        )
        wait_until(lambda: waiting(holder) == 1)
        assert not app.arrived
        app.up()
        assert holding.show(serving) is Applied.UNCHANGED  # no reload
        assert (answer.result(20).status, answer.result().body) == (201, b"kept")
        assert "Content-Type" not in answer.result().headers

    (arrived,) = app.arrived
    assert (arrived["method"], arrived["body"]) == ("POST", MEGABYTE)
    assert arrived["path"] == "/webhook/a%2Fb//c?token=s3cret&x=%20y"
    headers = arrived["headers"]
    assert isinstance(headers, dict)
    wanted = {"cookie": "session=s3cret", "content-type": "image/png", "x-own": "1"}
    assert wanted.items() <= headers.items()
    assert headers["host"] == headers["x-forwarded-host"] == "n8n.acme.example"
    assert (headers["x-forwarded-for"], headers["content-length"]) == ("127.0.0.1", "1048576")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_every_method_is_kept(edge, holding, app, site, sending, method):
    serving = site("acme", app.port)
    holding.show(replace(serving, state="holding"))
    edge.start()
    with holding.running() as holder:
        body = b"{}" if method == "PUT" else None
        answer = sending.submit(edge.get, "n8n.acme.example", "/x", method=method, body=body)
        wait_until(lambda: waiting(holder) == 1)
        app.up()
        holding.show(serving)
        assert answer.result(20).status == 201
        assert answer.result().headers["X-Seen"] == method
        assert answer.result().body == (b"" if method == "HEAD" else b"kept")
    assert [each["method"] for each in app.arrived] == [method]


def test_a_chunked_body_and_an_expectation_are_kept(edge, holding, app, site, sending):
    serving = site("acme", app.port)
    holding.show(replace(serving, state="holding"))
    edge.start()

    def send() -> bytes:
        with socket.create_connection(("127.0.0.1", edge.port), timeout=20) as connection:
            connection.sendall(
                b"POST /chunks HTTP/1.1\r\nHost: n8n.acme.example\r\nConnection: close\r\n"
                b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
            )
            assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
            for part in (b"one", b"two" * 20_000, b""):
                connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
            return b"".join(iter(lambda: connection.recv(65536), b""))

    with holding.running() as holder:
        answer = sending.submit(send)
        wait_until(lambda: waiting(holder) == 1)
        app.up()
        holding.show(serving)
        assert answer.result(20).startswith(b"HTTP/1.1 201")
    assert [each["body"] for each in app.arrived] == [b"one" + b"two" * 20_000]


def test_a_websocket_waits_too(edge, holding, site, websocket_backend, sending):
    serving = site("acme", websocket_backend())
    holding.show(replace(serving, state="holding"))
    edge.start()

    def talk() -> str:
        with edge.websocket("n8n.acme.example") as opened:
            opened.send("hello")
            return str(opened.recv(10))

    with holding.running() as holder:
        said = sending.submit(talk)
        wait_until(lambda: waiting(holder) == 1)
        holding.show(serving)
        assert said.result(20) == "hello"


def test_only_the_site_that_is_away_waits(edge, holding, app, backend, site, sending):
    acme, bobs = site("acme", app.port), site("bobs", backend("for bobs"))
    holding.show(acme, bobs)
    edge.start()
    with holding.running() as holder:
        # The hold of a running edge begins without a reload as well.
        assert holding.show(replace(acme, state="holding"), bobs) is Applied.UNCHANGED
        held = sending.submit(edge.get, "n8n.acme.example", method="POST", body=b"x")
        wait_until(lambda: waiting(holder) == 1)
        assert edge.get("n8n.bobs.example").seen["backend"] == "for bobs"
        assert not held.done()
        app.up()
        holding.show(acme, bobs)
        assert held.result(20).status == 201


def test_a_request_outlives_reloads_and_finds_an_app_that_moved(
    edge, holding, app, backend, site, sending
):
    away = site("acme", 9, "holding")
    holding.show(away)
    edge.start()
    with holding.running() as holder:
        held = sending.submit(edge.get, "n8n.acme.example", method="POST", body=MEGABYTE[:-1])
        wait_until(lambda: waiting(holder) == 1)
        assert holding.show(away, site("bobs", backend("for bobs"))) is Applied.LIVE
        app.up()
        assert holding.show(site("acme", app.port)) is Applied.LIVE
        assert held.result(20).status == 201
    assert [each["body"] for each in app.arrived] == [MEGABYTE[:-1]]


@pytest.mark.parametrize(
    ("state", "words"),
    [("failed", "could not be started"), ("stopped", "is stopped"), ("starting", "is starting")],
)
def test_a_change_that_ended_otherwise_shows_its_page(edge, holding, site, sending, state, words):
    holding.show(site("acme", 9, "holding"))
    edge.start()
    with holding.running() as holder:
        held = sending.submit(edge.get, "n8n.acme.example", method="POST", body=b"x")
        wait_until(lambda: waiting(holder) == 1)
        holding.show(site("acme", 9, state))
        answer = held.result(20)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    assert f"n8n.acme.example {words}" in answer.body.decode()


def test_a_body_that_took_until_the_app_was_gone_waits_as_well(edge, holding, app, site, sending):
    serving = site("acme", app.port)
    holding.show(serving)
    edge.start()
    slow = socket.create_connection(("127.0.0.1", edge.port), timeout=20)
    with holding.running() as holder, slow:
        slow.sendall(
            b"POST /slow HTTP/1.1\r\nHost: n8n.acme.example\r\nConnection: close\r\n"
            b"Content-Length: 10\r\n\r\nfirst"
        )
        assert edge.get("n8n.acme.example").status == 502  # nginx has read the other by now
        holding.show(replace(serving, state="holding"))
        slow.sendall(b"-last")
        wait_until(lambda: waiting(holder) == 1)
        app.up()
        holding.show(serving)
        assert slow.recv(65536).startswith(b"HTTP/1.1 201")
    assert [each["body"] for each in app.arrived] == [b"first-last"]


def test_what_reached_the_app_is_never_sent_again(edge, holding, site, sending):
    reached = []

    class Dies(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            reached.append(self.request.recv(65536))
            holding.show(replace(serving, state="holding"))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dies) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        serving = site("acme", server.server_address[1])
        holding.show(serving)
        edge.start()
        with holding.running() as holder:
            answer = edge.get("n8n.acme.example", method="POST", body=b"x")
            assert (answer.status, answer.headers["Retry-After"]) == (502, "10")
            assert b"n8n.acme.example does not answer" in answer.body
            assert waiting(holder) == 0
        server.shutdown()
    assert len(reached) == 1


def test_an_app_that_is_away_for_no_change_is_said_at_once(edge, holding, site):
    holding.show(site("acme", 9))
    edge.start()
    with holding.running():
        answer = edge.get("n8n.acme.example", method="POST", body=b"x")
    assert (answer.status, answer.headers["Retry-After"]) == (502, "10")
    assert b"n8n.acme.example does not answer" in answer.body


def test_an_app_that_accepts_late_still_gets_what_was_held(edge, holding, app, site, sending):
    serving = site("acme", app.port)
    holding.show(replace(serving, state="holding"))
    edge.start()
    with holding.running() as holder:
        held = sending.submit(edge.get, "n8n.acme.example", method="POST", body=b"x")
        wait_until(lambda: waiting(holder) == 1)
        holding.show(serving)
        wait_until(lambda: waiting(holder) == 0)
        assert not held.done()
        app.up()
        assert held.result(20).status == 201


def test_hundreds_wait_and_all_are_answered(edge, holding, app, site):
    serving = site("acme", app.port)
    holding.show(replace(serving, state="holding"), worker_connections=2048)
    edge.start()
    with holding.running() as holder, contextlib.ExitStack() as opened:
        clients = []
        for number in range(400):
            client = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=60)
            opened.callback(client.close)
            client.request("POST", f"/{number}", b"x", {"Host": "n8n.acme.example"})
            clients.append(client)
        wait_until(lambda: waiting(holder) == 400)
        app.up()
        holding.show(serving, worker_connections=2048)
        assert {client.getresponse().status for client in clients} == {201}
    assert sorted(str(each["path"]) for each in app.arrived) == sorted(f"/{n}" for n in range(400))
