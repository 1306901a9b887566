"""Posting to a real receiver: signed, at the address that was looked at, following nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hosting.engines import apprise_sender, webhooks
from hosting.engines.outward import Policy
from hosting.engines.webhooks import Hook, Posted

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
HERE = Policy.of(never=("10.208.0.0/12",), allowed=("127.0.0.0/8",))
PUBLIC = Policy.of(never=("10.208.0.0/12",), allowed=())
NAME = "hooks.acme.example"


@dataclass
class Receiver:
    """Keeps what was posted to it, and answers as it is told."""

    port: int = 0
    status: int = 200
    location: str = ""
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


def _serve(receiver: Receiver, context: ssl.SSLContext | None = None) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.heard.append((self.path, dict(self.headers), body))
            self.send_response(receiver.status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    server = _serve(found)
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let names lead to these addresses, one answer after the other; who was asked for is kept."""
    real = socket.getaddrinfo

    def lead(*answers: str) -> list[str]:
        asked: list[str] = []

        def found(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            if host != NAME:
                return real(host, port, *args, **kwargs)
            asked.append(host)
            address = answers[min(len(asked), len(answers)) - 1]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        monkeypatch.setattr(socket, "getaddrinfo", found)
        return asked

    return lead


def _post(url: str, policy: Policy = HERE, **more: Any) -> Posted:
    return asyncio.run(
        webhooks.post(
            Hook(url, SECRET), message_id="msg-1", body=b'{"a":1}', now=NOW, policy=policy, **more
        )
    )


def test_it_arrives_signed_under_its_own_name(
    receiver: Receiver, names: Callable[..., list[str]]
) -> None:
    asked = names("127.0.0.1")
    assert _post(f"http://{NAME}:{receiver.port}/berth?x=1").is_ok
    ((path, headers, body),) = receiver.heard
    assert (path, headers["Host"]) == ("/berth?x=1", f"{NAME}:{receiver.port}")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(b"k" * 32, signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert asked == [NAME]  # once, for looking and for dialling


@pytest.mark.parametrize("answers", [("127.0.0.1",), ("10.208.0.2",), ("169.254.169.254",)])
def test_a_name_that_leads_inside_is_not_dialled(
    receiver: Receiver, names: Callable[..., list[str]], answers: tuple[str, ...]
) -> None:
    names(*answers)
    found = _post(f"http://{NAME}:{receiver.port}/", PUBLIC)
    assert (found.status, found.is_final) == (None, True)
    assert "public address" in found.error
    assert receiver.heard == []


def test_a_name_that_leads_elsewhere_the_second_time_gains_nothing(
    receiver: Receiver, names: Callable[..., list[str]]
) -> None:
    """DNS rebinding: public when it is looked at, this machine when it is dialled."""
    asked = names("192.88.99.1", "127.0.0.1")
    policy = Policy.of(never=(), allowed=("192.88.99.0/24",))
    found = _post_briefly(f"http://{NAME}:{receiver.port}/", policy)
    assert not found.is_ok
    assert receiver.heard == []
    assert asked == [NAME]


def _post_briefly(url: str, policy: Policy) -> Posted:
    async def post() -> Posted:
        try:
            async with asyncio.timeout(2):
                return await webhooks.post(
                    Hook(url, SECRET), message_id="m", body=b"{}", now=NOW, policy=policy
                )
        except TimeoutError:
            return Posted(None, "nobody there")

    return asyncio.run(post())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    other = Receiver()
    server = _serve(other)
    receiver.status, receiver.location = status, f"http://127.0.0.1:{other.port}/"
    found = _post(f"http://127.0.0.1:{receiver.port}/")
    server.shutdown()
    server.server_close()
    assert (found.status, found.is_final) == (status, True)
    assert other.heard == []


@pytest.mark.parametrize(("status", "is_ok"), [(204, True), (400, False), (410, False)])
def test_the_status_decides(receiver: Receiver, status: int, is_ok: bool) -> None:
    receiver.status = status
    found = _post(f"http://127.0.0.1:{receiver.port}/")
    assert (found.is_ok, found.status, found.is_final) == (is_ok, status, False)


def test_a_certificate_is_looked_at_under_the_name_not_the_address(
    names: Callable[..., list[str]], tmp_path: Path
) -> None:
    names("127.0.0.1")
    serving, trusting = _certificate(tmp_path, NAME)
    receiver = Receiver()
    server = _serve(receiver, serving)
    try:
        assert _post(f"https://{NAME}:{receiver.port}/", trust=trusting).is_ok
        untrusted = _post(f"https://{NAME}:{receiver.port}/")
        other = _post(f"https://127.0.0.1:{receiver.port}/", trust=trusting)
    finally:
        server.shutdown()
        server.server_close()
    assert untrusted.error == "its certificate can't be trusted"
    assert other.error == "its certificate can't be trusted"
    assert len(receiver.heard) == 1


def _certificate(place: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = place / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    return serving, ssl.create_default_context(cafile=str(file))


def _apprise(url: str, policy: Policy) -> apprise_sender.Sent:
    return asyncio.run(apprise_sender.send(url=url, title="T", body="B", policy=policy))


def test_apprise_sends_where_it_may(receiver: Receiver) -> None:
    assert _apprise(f"json://127.0.0.1:{receiver.port}/x", HERE).is_ok
    assert b'"message": "B"' in receiver.heard[0][2]


def test_apprise_dials_nothing_inside_by_name_nor_by_redirect(receiver: Receiver) -> None:
    for host in ("127.0.0.1", "localhost"):  # past the form, as a name that turned would be
        found = _apprise(f"json://{host}:{receiver.port}/x", PUBLIC)
        assert (found.is_ok, found.is_final) == (False, True)
        assert "public address" in found.why
    assert receiver.heard == []


def test_apprise_sends_to_one_service_only(receiver: Receiver) -> None:
    """A list of URLs would get past the form with whatever comes second."""
    place = f"127.0.0.1:{receiver.port}"
    _apprise(f"json://{place}/x,kodi://{place}", HERE)
    assert [path for path, *_ in receiver.heard if path == "/jsonrpc"] == []


def test_apprise_opens_no_file_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "secret.json"
    file.write_text("{}")
    found = _apprise(f"workflows://127.0.0.1:1/a/b?template={file}", HERE)
    assert found.why == "It tried to open a file."
