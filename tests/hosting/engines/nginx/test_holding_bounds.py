"""How long, how much and how many requests the edge holds at most."""

from __future__ import annotations

import contextlib
import socket

from hosting.engines.nginx import Limits
from tests.hosting.engines.nginx.holding import MEGABYTE, wait_until, waiting


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
