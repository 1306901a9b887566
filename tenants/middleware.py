"""What happens to every request: where it came from is remembered, nonsense is refused."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable, Sequence

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

from tenants.request_context import RequestContext, entered

UNIX_SOCKET = "unix"  # in BERTH_TRUSTED_PROXIES: whoever reaches the server's own socket
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


class RequestContextMiddleware:
    """Sets the request context and gives every response its ``X-Request-ID``."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        context = RequestContext(
            address=client_address(
                request.META.get("REMOTE_ADDR", ""),
                request.META.get("HTTP_X_FORWARDED_FOR", ""),
                settings.BERTH_TRUSTED_PROXIES,
            ),
            user_agent=request.META.get("HTTP_USER_AGENT", "")[:300],
            request_id=request_id(request.META.get("HTTP_X_REQUEST_ID", "")),
        )
        with entered(context):
            response = self._get_response(request)
        response["X-Request-ID"] = context.request_id
        return response


class RefuseNullMiddleware:
    """A 400 for addresses with a NUL in their query, which no text in the database can hold."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("The address holds a NUL.")
        return self._get_response(request)


def request_id(offered: str) -> str:
    """The caller's id where it is well-formed (8 to 64 letters, digits, ``._-``), else a new one.

    Never anything that could forge a log line.
    """
    return offered if _REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex


def client_address(peer: str, forwarded_for: str, trusted: Sequence[str]) -> str | None:
    """The address a request really came from.

    ``X-Forwarded-For`` is read from the right, and only as far as trusted proxies wrote it;
    what a client put there himself stands further left and is not believed.
    """
    address = peer or UNIX_SOCKET
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    while hops and is_trusted(address, trusted):
        hop = hops.pop()
        if _parsed(hop) is None:
            break
        address = hop
    return None if address == UNIX_SOCKET else address


def is_trusted(address: str, trusted: Sequence[str]) -> bool:
    """Whether the address is one of the proxies (addresses, networks, or ``unix``)."""
    if address == UNIX_SOCKET:
        return UNIX_SOCKET in trusted
    parsed = _parsed(address)
    return parsed is not None and any(
        parsed in ipaddress.ip_network(each, strict=False)
        for each in trusted
        if each != UNIX_SOCKET
    )


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
