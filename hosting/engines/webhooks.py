"""Posting to a client's URL: signed, to the address that was looked at, and following nothing.

Signed in the manner of Standard Webhooks: ``webhook-id`` is the same at every attempt,
``webhook-signature`` is an HMAC-SHA256 of ``id.timestamp.body`` under the channel's secret.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from hosting.engines.outward import Policy, Refused, Unresolved

SECONDS = 15.0
SECRET_PREFIX = "whsec_"  # noqa: S105
LONGEST_URL = 2000


@dataclass(frozen=True, slots=True)
class Posted:
    """The status that came back, or why none did. ``is_final`` where another try can't help."""

    status: int | None
    error: str = ""
    is_final: bool = False

    @property
    def is_ok(self) -> bool:
        """Whether it was taken."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Hook:
    """Where to post, and under which secret."""

    url: str = field(repr=False)
    secret: str = field(repr=False)


def problem(url: str, policy: Policy) -> str:
    """What is wrong with such a URL, in a sentence; empty where nothing is. Asks no network."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "This is not a URL."
    if len(url) > LONGEST_URL or any(not 32 < ord(each) < 127 for each in url):
        return "A URL has no spaces or other special characters, and is not longer than this."
    if parts.scheme not in ("https", "http") or not parts.hostname:
        return "Write a URL such as https://hooks.acme.example/berth."
    if "@" in parts.netloc:
        return "Leave name and password out of the URL: what Berth sends is signed instead."
    if port == 0:
        return "There is no port 0."
    try:
        policy.check_host(parts.hostname)
    except Refused as refused:
        return f"{refused} Berth sends to public addresses only."
    return ""


def sign(*, secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature, with its version."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


async def post(
    hook: Hook,
    *,
    message_id: str,
    body: bytes,
    now: datetime,
    policy: Policy,
    trust: ssl.SSLContext | None = None,
) -> Posted:
    """Post once. What goes wrong is an answer; the answer's body is not read."""
    try:
        async with asyncio.timeout(SECONDS):
            return await _post(hook, message_id, body, now, policy, trust)
    except TimeoutError:
        return Posted(None, f"no answer within {SECONDS:g} s")
    except Refused as refused:
        return Posted(None, str(refused), is_final=True)
    except Unresolved as unresolved:
        return Posted(None, str(unresolved))
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
        return Posted(None, _words(error))


async def _post(
    hook: Hook,
    message_id: str,
    body: bytes,
    now: datetime,
    policy: Policy,
    trust: ssl.SSLContext | None,
) -> Posted:
    url = httpx.URL(hook.url)
    wrong = problem(hook.url, policy)
    if wrong:
        return Posted(None, wrong, is_final=True)
    port = url.port or (443 if url.scheme == "https" else 80)
    address = await policy.resolve(url.host, port)
    timestamp = int(now.timestamp())
    headers = {
        "Host": url.netloc.decode(),
        "User-Agent": "Berth-webhook/1",
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(
            secret=hook.secret, message_id=message_id, timestamp=timestamp, body=body
        ),
    }
    async with (
        httpx.AsyncClient(
            trust_env=False, follow_redirects=False, timeout=SECONDS, verify=trust or True
        ) as client,
        client.stream(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers=headers,
            extensions={"sni_hostname": url.host},
        ) as response,
    ):
        return _answered(response.status_code)


def _answered(status: int) -> Posted:
    if 300 <= status < 400:
        return Posted(status, f"it answered {status}; Berth follows no redirects", is_final=True)
    return Posted(status, "" if 200 <= status < 300 else f"it answered {status}")


def _words(error: Exception) -> str:
    """Without the URL, which may be a secret."""
    if isinstance(error, httpx.ConnectError):
        text = str(error)
        is_trust = "CERTIFICATE_VERIFY_FAILED" in text
        return "its certificate can't be trusted" if is_trust else "nothing answers there"
    return f"the connection failed ({type(error).__name__})"
