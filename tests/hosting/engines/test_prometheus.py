"""What an app tells Prometheus: read where it fits, refused where it is long, slow or nonsense."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosting.engines import prometheus
from hosting.engines.prometheus import Unreadable, Wanted, fetch, read

TEXT = """\
# HELP n8n_workflow_success_total Total number of n8n.workflow.success events.
# TYPE n8n_workflow_success_total counter
n8n_workflow_success_total 41
# TYPE predictions counter
predictions{app="FlowiseAI",status="success"} 3
predictions{app="Other",status="success"} 4
predictions{app="FlowiseAI",status="failure"} 1 1700000000000
predictions_created{status="success"} 99
"""
RUNS = Wanted("n8n_workflow_success_total", {})


def test_fitting_samples_are_added_up() -> None:
    wanted = [
        RUNS,
        Wanted("predictions", {"status": "success"}),
        Wanted("predictions", {"status": "failure", "app": "FlowiseAI"}),
        Wanted("predictions", {"status": "lost"}),
        Wanted("nothing", {}),
    ]
    assert read(TEXT, wanted) == {0: 41.0, 1: 7.0, 2: 1.0}


def test_a_line_ends_with_a_line_feed_alone() -> None:
    """Labels are people's own words: \\x0b, \\x85 and U+2028 are lines to Python, not here."""
    text = "".join(f'predictions{{flow="a{each}b"}} 2\n' for each in "\x0b\x1c\x85\u2028")
    assert read(text, [Wanted("predictions", {})]) == {0: 8.0}


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-1", "1e300"])
def test_values_that_are_no_count_are_left_out(value: str) -> None:
    assert read(f"n8n_workflow_success_total {value}\n", [RUNS]) == {}


def test_a_wanted_line_that_is_nonsense_is_said() -> None:
    with pytest.raises(Unreadable, match="can't be read"):
        read("n8n_workflow_success_total {{{\n", [RUNS])


def test_too_many_samples_are_not_parsed() -> None:
    with pytest.raises(Unreadable, match="more than 10000 samples"):
        read("n8n_workflow_success_total 1\n" * 10_001, [RUNS])


def test_a_sample_that_is_too_long_is_not_parsed() -> None:
    """Two MiB of escaped quotes kept the parser busy for minutes."""
    fits = RUNS.series + '{flow="' + '\\"' * 480 + '"} 2\n'
    assert read(fits, [RUNS]) == {0: 2.0}
    with pytest.raises(Unreadable, match="a sample of more than 1024 characters"):
        read(fits + RUNS.series + '{flow="' + '\\"' * 1_000_000 + '"} 2\n', [RUNS])


def test_what_is_said_of_nonsense_is_short() -> None:
    with pytest.raises(Unreadable) as caught:
        read(RUNS.series + "{" * 900 + "\n", [RUNS])
    assert len(str(caught.value)) < 300


def test_other_lines_may_be_nonsense() -> None:
    assert read("!!! {{{\nx{\n" + TEXT, [RUNS]) == {0: 41.0}


@given(text=st.text(alphabet='ab{}"=,\\\n #1eN+- ', max_size=60))
def test_nonsense_is_read_or_refused(text: str) -> None:
    for each in (text, f"a{text}", f"a {text}\n", f'a{{b="{text}"}} 1\n'):
        try:
            read(each, [Wanted("a", {"b": "1"}), Wanted("a", {})])
        except Unreadable:
            continue


Serve = Callable[[Callable[[BaseHTTPRequestHandler], None]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """An endpoint that answers as told; its address."""
    servers = []

    def begin(answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *_: object) -> None:
                """Quietly."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/metrics"

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


def _answer(request: BaseHTTPRequestHandler, body: bytes, status: int = 200) -> None:
    request.send_response(status)
    request.send_header("Location", "http://127.0.0.1:1/")
    request.end_headers()
    request.wfile.write(body)


def test_it_asks_under_the_instances_name(serve: Serve) -> None:
    url = serve(lambda request: _answer(request, request.headers["Host"].encode()))
    assert fetch(url, host="book.acme.example") == "book.acme.example"


@pytest.mark.parametrize("status", [302, 401, 500])
def test_another_answer_than_ok_is_said(status: int, serve: Serve) -> None:
    with pytest.raises(Unreadable, match=f"answered {status}"):
        fetch(serve(lambda request: _answer(request, b"a 1", status)), host="x")


def test_an_endless_answer_is_cut_off(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "LARGEST_BYTES", 10_000)
    with pytest.raises(Unreadable, match="more than 10000 bytes"):
        fetch(serve(lambda request: _answer(request, b"a" * 1_000_000)), host="x")


def test_a_slow_answer_is_cut_off(serve: Serve) -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        _answer(request, b"")
        for _ in range(100):
            try:
                request.wfile.write(b"a 1\n")
            except OSError:
                return
            time.sleep(0.1)

    with pytest.raises(Unreadable, match="did not end its answer in time"):
        fetch(serve(drip), host="x", timeout=timedelta(seconds=0.5))


def test_a_slow_head_is_cut_off(serve: Serve) -> None:
    given_up = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not given_up.wait(0.05):
            try:
                request.wfile.write(b"a")
            except OSError:
                given_up.set()

    with pytest.raises(Unreadable, match="did not end its answer in time"):
        fetch(serve(drip), host="x", timeout=timedelta(seconds=0.5))
    assert given_up.wait(30)  # it was hung up on


def test_nobody_at_home_is_said() -> None:
    with pytest.raises(Unreadable, match="did not answer"):
        fetch("http://127.0.0.1:1/metrics", host="x")
