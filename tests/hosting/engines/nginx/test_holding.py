"""Requests for an instance that is away for a change, through the real nginx."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hosting.engines.errors import GiveUp
from hosting.engines.nginx import Applied, Holder, Holds, Limits, open_connections, render
from tests.hosting.engines.nginx.conftest import Edge, free_port

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


@pytest.fixture
def app() -> Iterator[App]:
    app = App()
    yield app
    app.down()


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


@pytest.fixture
def holding(edge) -> Holding:
    return Holding(edge)


@pytest.fixture
def sending() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as threads:
        yield threads


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


def assert_told_to_come_back(answer) -> None:
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    assert b"n8n.acme.example is starting" in answer.body


def test_the_limit_of_time_ends_in_a_page(edge, holding, site):
    holding.show(site("acme", 9, "holding"))
    edge.start()
    with holding.running(Limits(seconds=0.3)) as holder:
        assert_told_to_come_back(edge.get("n8n.acme.example", method="POST", body=b"x"))
        wait_until(lambda: not holder._places.requests)


def test_without_the_holding_process_the_page_comes_at_once(edge, holding, site):
    holding.show(site("acme", 9, "holding"))
    edge.start()
    url = "/hook?token=s3cret"
    assert_told_to_come_back(edge.get("n8n.acme.example", url, method="POST", body=MEGABYTE))
    with holding.running():
        pass
    (edge.directory / "hold.sock").unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(edge.directory / "hold.sock"))  # what a killed process leaves behind
    assert_told_to_come_back(edge.get("n8n.acme.example", "/?token=s3cret"))
    assert "s3cret" not in (edge.directory / "logs" / "error.log").read_text()


def test_a_holding_process_that_ends_lets_everybody_go(edge, holding, site, sending):
    holding.show(site("acme", 9, "holding"))
    edge.start()
    with holding.running() as holder:
        held = [sending.submit(edge.get, "n8n.acme.example") for _ in range(5)]
        wait_until(lambda: waiting(holder) == 5)
    for each in held:
        assert_told_to_come_back(each.result(20))
    assert not (edge.directory / "hold.sock").exists()


def test_places_are_bounded_by_instance_and_in_all(edge, holding, site, sending):
    holding.show(site("acme", 9, "holding"), site("bobs", 9, "holding"))
    edge.start()
    with holding.running(Limits(requests=2, requests_in_all=3)) as holder:
        acmes = [sending.submit(edge.get, "n8n.acme.example") for _ in range(2)]
        wait_until(lambda: waiting(holder) == 2)
        assert_told_to_come_back(edge.get("n8n.acme.example"))
        bobs = sending.submit(edge.get, "n8n.bobs.example")
        wait_until(lambda: waiting(holder, "bobs-n8n") == 1)
        assert edge.get("n8n.bobs.example").status == 503
        assert not any(each.done() for each in (*acmes, bobs))


def test_the_size_of_what_waits_is_bounded(edge, holding, site, sending):
    holding.show(site("acme", 9, "holding"))
    edge.start()
    with holding.running(Limits(size=3 * 2**19)) as holder:
        first = sending.submit(edge.get, "n8n.acme.example", method="POST", body=MEGABYTE)
        wait_until(lambda: waiting(holder) == 1)
        assert_told_to_come_back(edge.get("n8n.acme.example", method="POST", body=MEGABYTE))
        assert not first.done()


def test_a_body_over_the_sites_limit_is_refused_and_not_held(edge, holding, site):
    holding.show(site("acme", 9, "holding"))
    edge.start()
    with holding.running():
        head = b"POST / HTTP/1.1\r\nHost: n8n.acme.example\r\n"
        assert edge.raw(head + b"Content-Length: 6291456\r\n\r\n").startswith(b"HTTP/1.1 413")
        chunk = b"%x\r\n%s\r\n" % (2**21, bytes(2**21))
        chunked = edge.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
        assert chunked.startswith(b"HTTP/1.1 413")


def test_a_client_that_goes_away_gives_its_place_back(edge, holding, site):
    holding.show(site("acme", 9, "holding"))
    edge.start()
    with holding.running(Limits(requests=1)) as holder:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", edge.port)) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: n8n.acme.example\r\n\r\n")
                wait_until(lambda: waiting(holder) == 1)
            wait_until(lambda: waiting(holder) == 0 and not holder._places.requests)


def test_a_client_that_sends_slowly_takes_no_place(edge, holding, site):
    holding.show(site("acme", 9, "holding"))
    edge.start()
    with holding.running(Limits(requests=1)) as holder, contextlib.ExitStack() as clients:
        head = b"POST / HTTP/1.1\r\nHost: n8n.acme.example\r\nContent-Length: 9\r\n\r\n"
        for text in (head + b"slow",) * 20 + (head + b"all of it",):
            client = socket.create_connection(("127.0.0.1", edge.port), timeout=20)
            clients.enter_context(client).sendall(text)
        wait_until(lambda: waiting(holder) == 1)


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


def test_holds_follow_the_sites_and_forget_what_is_gone(tmp_path, site):
    holds, held = Holds(tmp_path), site("acme", 8000, "holding")
    for _ in range(2):
        holds.begin([held])
        holds.end([held])
    assert holds.is_held("acme-n8n")
    assert holds.after("acme-n8n") is None

    holds.end([replace(held, state="serving", port=8001)])
    assert not holds.is_held("acme-n8n")
    after = holds.after("acme-n8n")
    assert after is not None
    assert (after.state, after.upstream) == ("serving", "127.0.0.1:8001")

    holds.begin([held])
    assert holds.after("acme-n8n") is None
    holds.end([])
    assert not holds.is_held("acme-n8n")
    assert not list((tmp_path / "after").iterdir())


def test_a_spoiled_word_about_an_ended_hold_is_not_believed(tmp_path, site):
    holds = Holds(tmp_path)
    holds.begin([])
    for text in ("", "serving", "serving x:1", "serving 1.2.3.4:5\r\nX: y", "failed 1.2.3.4:5;"):
        (tmp_path / "after" / "acme-n8n").write_text(text)
        after = holds.after("acme-n8n")
        assert after is None or (after.state, text[:6]) == ("failed", "failed")


def test_it_counts_the_connections_to_one_address_and_port(app):
    app.up()
    before = open_connections("127.0.0.1", app.port)
    with contextlib.ExitStack() as opened:
        for _ in range(3):
            opened.enter_context(socket.create_connection(("127.0.0.1", app.port)))
        assert (before, open_connections("127.0.0.1", app.port)) == (0, 3)
        assert open_connections("127.0.0.2", app.port) == 0
    wait_until(lambda: open_connections("127.0.0.1", app.port) == 0)
