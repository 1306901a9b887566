"""Asking a tenant's web address, for no longer than is allowed, however slowly it answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TypeVar

import httpx

Read = TypeVar("Read")

# Only plain HTTP is asked for. To load all the world's authorities takes 40 ms each time.
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def get(
    url: str,
    *,
    headers: Mapping[str, str],
    timeout: timedelta,
    read: Callable[[httpx.Response], Awaitable[Read]],
) -> Read:
    """What ``read`` makes of the answer, which it gets with its body still to come.

    The time is for all of it. httpx's own limits are for one piece each, and so a head that comes
    byte by byte would hold up its reader for days. No redirect is followed. Raises ``TimeoutError``
    and ``httpx.HTTPError``. Not for threads in which an event loop runs.
    """

    async def ask() -> Read:
        transport = httpx.AsyncHTTPTransport(verify=_NO_AUTHORITIES)
        # A proxy of the worker's environment has no business here.
        client = httpx.AsyncClient(transport=transport, timeout=None, trust_env=False)  # noqa: S113
        async with (
            asyncio.timeout(timeout.total_seconds()),
            client,
            client.stream("GET", url, headers=headers, follow_redirects=False) as response,
        ):
            return await read(response)

    return asyncio.run(ask())
