from __future__ import annotations

import logging

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from tenants import request_context
from tenants.middleware import RequestContextMiddleware, client_address
from tenants.request_context import RequestContext, RequestIdFilter

PROXIES = ["10.0.0.1", "192.0.2.0/24"]


def answer(**headers: str) -> tuple[RequestContext, HttpResponse]:
    """What a view sees as its context, and the response."""
    seen: list[RequestContext] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request_context.current())
        return HttpResponse()

    response = RequestContextMiddleware(view)(RequestFactory().get("/", **headers))  # type: ignore[arg-type]
    return seen[0], response


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("198.51.100.7", "", "198.51.100.7"),
        ("198.51.100.7", "203.0.113.1", "198.51.100.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.1, 192.0.2.9", "203.0.113.1"),
        ("10.0.0.1", "10.0.0.1, 192.0.2.1", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("", "203.0.113.1", None),
        ("", "", None),
        ("nonsense", "203.0.113.1", "nonsense"),
    ],
)
def test_it_believes_only_trusted_proxies(peer: str, forwarded: str, expected: str | None) -> None:
    assert client_address(peer, forwarded, PROXIES) == expected


def test_a_proxy_on_the_servers_own_socket_can_be_trusted() -> None:
    assert client_address("", "203.0.113.1", ["unix"]) == "203.0.113.1"
    assert client_address("", "203.0.113.1, 10.0.0.1", ["unix", "10.0.0.1"]) == "203.0.113.1"


def test_the_view_sees_where_the_request_came_from(settings: Settings) -> None:
    settings.BERTH_TRUSTED_PROXIES = PROXIES
    context, response = answer(
        REMOTE_ADDR="10.0.0.1",
        HTTP_X_FORWARDED_FOR="203.0.113.1",
        HTTP_USER_AGENT="Firefox" * 100,
        HTTP_X_REQUEST_ID="request-2026",
    )
    assert context.address == "203.0.113.1"
    assert context.user_agent == ("Firefox" * 100)[:300]
    assert context.request_id == response["X-Request-ID"] == "request-2026"
    assert request_context.current() == RequestContext()


@pytest.mark.parametrize(
    "offered",
    ["", "short", "x" * 65, "forged line\nERROR", "<script>alert(1)", "-" * 10, "réquest-1"],
)
def test_a_malformed_request_id_is_replaced(offered: str) -> None:
    context, response = answer(HTTP_X_REQUEST_ID=offered)
    assert context.request_id != offered
    assert len(context.request_id) == 32
    assert response["X-Request-ID"] == context.request_id


def test_two_requests_have_two_ids() -> None:
    assert answer()[0].request_id != answer()[0].request_id


def test_the_context_ends_with_a_failing_request() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        RequestContextMiddleware(view)(RequestFactory().get("/"))
    assert request_context.current() == RequestContext()


def test_log_records_carry_the_request_id() -> None:
    record = logging.makeLogRecord({})
    with request_context.entered(RequestContext(request_id="request-1")):
        assert RequestIdFilter().filter(record)
    assert vars(record)["request_id"] == "request-1"
    assert RequestIdFilter().filter(record)
    assert vars(record)["request_id"] == "-"
