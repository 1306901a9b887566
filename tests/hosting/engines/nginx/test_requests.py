"""What clients of the edge get, through the real nginx."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest

from hosting.engines.nginx import RateLimit, render


def serve(edge, *sites, **settings):
    edge.nginx.apply(render(sites, edge.settings(**settings)))
    edge.start()


def test_it_routes_by_host_name(edge, backend, site):
    serve(edge, site("acme", backend("for acme")), site("bobs", backend("for bobs")))

    assert edge.get("n8n.acme.example").seen["backend"] == "for acme"
    assert edge.get("n8n.bobs.example").seen["backend"] == "for bobs"
    assert edge.get("N8N.Acme.Example.:8080").seen["backend"] == "for acme"


def test_it_passes_the_path_as_it_came(edge, backend, site):
    serve(edge, site("acme", backend("for acme")))

    path = "/a//b/%2e%2e/%2F?x=%20y&z=//"
    assert edge.get("n8n.acme.example", path).seen["path"] == path


@pytest.mark.parametrize(
    "path",
    [
        *("/metrics", "/metrics/", "/METRICS", "/metrics//?x=1", "//metrics", "/x/../metrics"),
        *("/%6detrics", "/./metrics", "/metrics%2f", "/metrics?a=/b"),
    ],
)
@pytest.mark.parametrize("state", ["serving", "holding"])
def test_what_is_closed_stays_closed_however_it_is_written(edge, backend, site, path, state):
    acme = replace(site("acme", backend("for acme"), state), closed="/metrics")
    serve(edge, acme, site("bobs", backend("for bobs")))
    assert edge.get("n8n.acme.example", path).status == 404
    assert edge.get("n8n.bobs.example", path).seen["backend"] == "for bobs"


def test_what_only_looks_like_it_stays_open(edge, backend, site):
    serve(edge, replace(site("acme", backend("for acme")), closed="/api/v1/metrics"))
    paths = ("/", "/metrics", "/api/v1/metrics-of-mine", "/api/v1", "/x?/api/v1/metrics")
    for path in (*paths, "/api/v1/metrics/x"):
        assert edge.get("n8n.acme.example", path).seen["path"] == path
    assert edge.get("n8n.acme.example", "/Api/V1/Metrics").status == 404


USING = ("/webhook", "/form")


@pytest.mark.parametrize("state", ["serving", "holding"])
def test_what_would_use_more_is_refused_with_a_page_that_says_why(edge, backend, site, state):
    acme = replace(site("acme", backend("for acme"), state), used_up=USING)
    serve(edge, acme, site("bobs", backend("for bobs")))
    paths = ("/webhook", "/webhook/a/b?x=1", "/WebHook/a", "//form/", "/x/../form/a", "/%66orm/a")
    for path in (*paths, "/webhook/a%7Cb%20/c"):
        answer = edge.get("n8n.acme.example", path)
        assert answer.status == 429, path
        assert "Used up for this month" in answer.body.decode()
        assert "Retry-After" not in answer.headers
        assert edge.get("n8n.bobs.example", "/webhook/a").seen["backend"] == "for bobs"


def test_what_uses_nothing_goes_on(edge, backend, site):
    serve(edge, replace(site("acme", backend("for acme")), used_up=USING))
    paths = ("/", "/webhook-waiting/1", "/rest/webhook", "/forms", "/x?/webhook/a", "/a%7C/form")
    for path in paths:
        assert edge.get("n8n.acme.example", path).seen["path"] == path


def test_it_answers_404_with_a_page_for_an_unknown_host(edge, backend, site):
    serve(edge, site("acme", backend("for acme")))

    for host in ("n8n.other.example", "127.0.0.1", "acme.example", "x.n8n.acme.example"):
        answer = edge.get(host)
        assert answer.status == 404
        assert f"No application answers at {host}" in answer.body.decode()
        assert answer.headers["Server"] == "nginx"


def test_it_escapes_a_strange_host_in_its_pages(edge):
    serve(edge)

    answer = edge.get("<b>bold")
    assert b"&lt;b&gt;bold" in answer.body
    assert b"<b>" not in answer.body


@pytest.mark.parametrize(
    ("state", "words"),
    [("stopped", "is stopped"), ("starting", "is starting"), ("failed", "could not be started")],
)
def test_it_shows_a_page_for_an_instance_that_does_not_serve(edge, backend, site, state, words):
    serve(edge, site("acme", backend("for acme"), state))

    for method in ("GET", "POST"):
        answer = edge.get("n8n.acme.example", "/webhook/x", method=method, body=b"{}")
        assert answer.status == 503
        assert f"n8n.acme.example {words}" in answer.body.decode()
        assert answer.headers["Retry-After"] == "30"
        assert answer.headers["Cache-Control"] == "no-store"


def test_it_shows_a_page_when_the_instance_does_not_answer(edge, site):
    serve(edge, site("acme", 9))

    answer = edge.get("n8n.acme.example", method="POST", body=b"{}")
    assert answer.status == 502
    assert "n8n.acme.example does not answer" in answer.body.decode()
    assert answer.headers["Retry-After"] == "10"


def test_it_gives_up_soon_on_an_address_that_swallows_packets(edge, site):
    with ExitStack() as held, socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)  # once its queue is full, further attempts get no answer at all
        for _ in range(2):
            waiting = held.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(deaf.getsockname())
        serve(edge, site("acme", deaf.getsockname()[1]), connect_timeout=1)

        begun = time.monotonic()
        answer = edge.get("n8n.acme.example")
        assert answer.status == 504
        assert "n8n.acme.example does not answer" in answer.body.decode()
        assert 0.9 < time.monotonic() - begun < 5


def test_its_pages_cannot_be_asked_for_by_name(edge, backend, site):
    serve(edge, site("acme", backend("for acme"), "stopped"))

    assert edge.get("n8n.acme.example", "/.berth/page/stopped.html").status == 404
    assert edge.get("n8n.acme.example", "/.berth/page/%2e%2e/%2e%2e/current.conf").status != 200
    assert edge.get("n8n.other.example", "/.berth/page/stopped.html").status == 404


def test_it_replaces_what_a_client_says_about_itself(edge, backend, site):
    serve(edge, site("acme", backend("for acme")))

    spoofed = {
        "X-Forwarded-For": "10.9.9.9",
        "X-Real-IP": "10.9.9.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "for=10.9.9.9",
        "Proxy": "http://evil.example",
    }
    host = f"n8n.acme.example:{edge.port}"
    seen = edge.get(host, headers=spoofed).seen_headers

    assert seen["X-Forwarded-For"] == "127.0.0.1"
    assert seen["X-Real-IP"] == "127.0.0.1"
    assert seen["X-Forwarded-Proto"] == "http"
    assert seen["X-Forwarded-Host"] == host
    assert seen["Host"] == host
    assert not {"X-Forwarded-Prefix", "Forwarded", "Proxy"} & set(seen)


def test_it_believes_a_trusted_proxy(edge, backend, site):
    serve(edge, site("acme", backend("for acme")), trusted_proxies=("127.0.0.0/8",))

    behind = {"X-Forwarded-For": "6.6.6.6, 198.51.100.7", "X-Forwarded-Proto": "https"}
    seen = edge.get("n8n.acme.example", headers=behind).seen_headers

    assert seen["X-Forwarded-For"] == "198.51.100.7"
    assert seen["X-Forwarded-Proto"] == "https"


def test_it_routes_by_the_request_line_and_shows_that_host_to_the_instance(edge, backend, site):
    serve(edge, site("acme", backend("for acme")), site("bobs", backend("for bobs")))

    answer = edge.raw(
        b"GET http://n8n.acme.example/ HTTP/1.1\r\nHost: n8n.bobs.example\r\n"
        b"Connection: close\r\n\r\n"
    )
    seen = json.loads(answer.rpartition(b"\r\n\r\n")[2])

    assert seen["backend"] == "for acme"
    assert seen["headers"]["Host"] == "n8n.acme.example"


@pytest.mark.parametrize("target", [b"@evil.example/", b"http://evil.example/", b"*"])
def test_a_request_line_leads_nowhere_else(edge, backend, site, target):
    serve(edge, site("acme", backend("for acme")))

    answer = edge.raw(
        b"GET " + target + b" HTTP/1.1\r\nHost: n8n.acme.example\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))


def test_it_passes_no_upgrade_but_websocket(edge, backend, site):
    serve(edge, site("acme", backend("for acme")))

    headers = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AA"}
    seen = edge.get("n8n.acme.example", headers=headers).seen_headers
    assert "Upgrade" not in seen
    assert seen["Connection"] == "close"


def test_it_carries_websockets(edge, websocket_backend, site):
    serve(edge, site("acme", websocket_backend()))

    with edge.websocket("n8n.acme.example") as socket:
        socket.send("hello")
        assert socket.recv(10) == "hello"


def test_it_bounds_the_body_by_site(edge, backend, site):
    port = backend("both")
    serve(
        edge,
        site("acme", port, max_body_bytes=8 * 2**20),
        site("bobs", port, max_body_bytes=2**20),
    )
    big = b"x" * (6 * 2**20)

    taken = edge.get("n8n.acme.example", method="POST", body=big)
    assert taken.seen["length"] == len(big)
    refused = edge.raw(
        b"POST / HTTP/1.1\r\nHost: n8n.bobs.example\r\nContent-Length: 6291456\r\n\r\n"
    )
    assert refused.startswith(b"HTTP/1.1 413")
    assert b"The upload is too large" in refused


def test_it_limits_the_requests_of_one_address(edge, backend, site):
    serve(edge, site("acme", backend("for acme")), rate_limit=RateLimit(1, 5))

    answers = [edge.get("n8n.acme.example") for _ in range(20)]
    taken = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 429]
    assert 6 <= len(taken) <= 10
    assert len(taken) + len(refused) == 20
    assert b"Too many requests" in refused[0].body
    assert refused[0].headers["Retry-After"] == "1"


def test_it_logs_json_without_query_strings(edge, backend, site):
    serve(edge, site("acme", backend("for acme")), site("bobs", 9))

    edge.get("n8n.acme.example", "/rest/callback?code=s3cret", headers={"User-Agent": 'a"b\\c'})
    edge.get("n8n.bobs.example", "/hook?token=s3cret", method="POST")
    edge.stop()

    lines = (edge.directory / "logs" / "access.log").read_text().splitlines()
    # Each of nginx's workers writes for itself: the lines are in no order.
    first, second = sorted(map(json.loads, lines), key=lambda line: line["instance"])
    assert (first["instance"], first["status"], first["agent"]) == ("acme-n8n", 200, 'a"b\\c')
    assert (second["instance"], second["status"]) == ("bobs-n8n", 502)
    assert (second["method"], second["path"]) == ("POST", "/hook")
    for log in (edge.directory / "logs").iterdir():
        assert "s3cret" not in log.read_text()


def test_it_keeps_no_log_where_none_is_wanted(edge, backend, site):
    serve(edge, site("acme", backend("for acme")), access_log=False)

    edge.get("n8n.acme.example")
    assert not (edge.directory / "logs" / "access.log").exists()
