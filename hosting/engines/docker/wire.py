"""A connection that is taken over for the input and output of a command.

The Engine API answers ``POST /exec/{id}/start`` with a raw connection both ways. docker-py hands
out its socket, but over TLS it cannot close one direction, and without that a command never sees
the end of its input. https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Exec
"""

from __future__ import annotations

import json
import select
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Protocol, Self
from urllib.parse import urlsplit

import requests
from docker.errors import APIError

from hosting.engines.docker.client import Client, TlsFiles
from hosting.engines.errors import EngineUnavailable

RECEIVE_BYTES = 256 * 1024
RECORD_BYTES = 64 * 1024  # encrypted at once
HEAD_LIMIT_BYTES = 64 * 1024


class Silent(TimeoutError):
    """Nothing moved for the time allowed."""


class Ended(ConnectionError):
    """The engine closed its end before everything was sent."""


class Line(Protocol):
    """A socket that never blocks, plain or with TLS."""

    @property
    def has_unsent(self) -> bool: ...

    def flush(self) -> None: ...

    def send(self, data: memoryview) -> int: ...

    def receive(self) -> bytes | None: ...

    def end_output(self) -> None: ...


class PlainLine:
    """Without TLS: over a Unix socket, or to this machine itself."""

    has_unsent = False

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def flush(self) -> None:
        """Nothing is ever held back."""

    def send(self, data: memoryview) -> int:
        """Send what there is room for; return how much that was."""
        try:
            return self._connection.send(data)
        except BlockingIOError:
            return 0

    def receive(self) -> bytes | None:
        """What has come, None if nothing did; empty at the end."""
        try:
            return self._connection.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None

    def end_output(self) -> None:
        self._connection.shutdown(socket.SHUT_WR)


class TlsLine:
    """With TLS, and with an end of one direction alone: ``ssl.SSLSocket`` knows only both."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._unsent = memoryview(b"")

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def shake_hands(self, wire: Wire, seconds: float) -> None:
        """Find out who the other is, and be found out."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                wire.wait(seconds)
                self._take_in()
        self.flush()

    def flush(self) -> None:
        """Send what is encrypted already, as far as there is room."""
        if not self._unsent:
            self._unsent = memoryview(self._outgoing.read())
        while self._unsent:
            try:
                self._unsent = self._unsent[self._connection.send(self._unsent) :]
            except BlockingIOError:
                return

    def send(self, data: memoryview) -> int:
        """Encrypt and send a piece; none while there is no room."""
        self.flush()
        if self._unsent or not data:
            return 0
        sent = self._tls.write(data[:RECORD_BYTES])
        self.flush()
        return sent

    def receive(self) -> bytes | None:
        """What has come, None if nothing whole did; empty at the end.

        Raises ``ssl.SSLEOFError`` for an end that the other has not announced.
        """
        self._take_in()
        received = bytearray()
        try:
            while piece := self._tls.read(RECEIVE_BYTES):
                received += piece
        except ssl.SSLWantReadError:
            return bytes(received) if received else None
        except ssl.SSLZeroReturnError:
            pass
        return bytes(received)

    def _take_in(self) -> None:
        try:
            read = self._connection.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        if read:
            self._incoming.write(read)
        else:
            self._incoming.write_eof()

    def end_output(self) -> None:
        with suppress(ssl.SSLWantReadError):  # the other ends later, after all it has to say
            self._tls.unwrap()
        self.flush()


class Wire:
    """One taken-over connection. It belongs to one thread, and is closed by whoever opened it."""

    def __init__(self, connection: socket.socket, line: Line) -> None:
        self._connection = connection
        self._line = line
        self._early = b""

    @classmethod
    def open(cls, client: Client) -> Self:
        """Connect to the client's engine."""
        connection = _connected(client.endpoint, client.timeout_seconds)
        try:
            connection.settimeout(0)
            if client.tls is None:
                return cls(connection, PlainLine(connection))
            host = str(urlsplit(client.endpoint).hostname)
            line = TlsLine(connection, _context(client.tls), host)
            wire = cls(connection, line)
            line.shake_hands(wire, client.timeout_seconds)
        except BaseException:
            connection.close()
            raise
        return wire

    def close(self) -> None:
        """Give it back; twice is fine."""
        self._connection.close()

    def ask(self, path: str, body: Mapping[str, object], *, seconds: float) -> None:
        """Send the request after which the connection is ours. Raises ``APIError``."""
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        for _ in self.talk(head.encode() + content, silence=seconds):
            raise EngineUnavailable("the server answered before it was asked")
        said = bytearray()
        while (end := said.find(b"\r\n\r\n")) < 0:
            said += self._more(seconds)
            if len(said) > HEAD_LIMIT_BYTES:
                raise EngineUnavailable("the server's answer is none of HTTP")
        status, length = _parsed(bytes(said[:end]))
        self._early = bytes(said[end + 4 :])
        if status >= 400:
            raise self._refusal(status, length, seconds)

    def _refusal(self, status: int, length: int, seconds: float) -> APIError:
        said = self._early
        while len(said) < min(length, HEAD_LIMIT_BYTES):
            said += self._more(seconds)
        response = requests.Response()
        response.status_code = status
        try:
            explanation = str(json.loads(said)["message"])
        except (ValueError, KeyError, TypeError):
            explanation = said.decode(errors="replace")
        return APIError(explanation, response=response, explanation=explanation)

    def _more(self, seconds: float) -> bytes:
        for piece in self.listen(silence=seconds):
            return piece
        raise EngineUnavailable("the server broke off the connection")

    def talk(self, data: bytes, *, silence: float) -> Iterator[bytes]:
        """Send all of it; yield what comes meanwhile.

        Raises ``Silent`` where neither moves for ``silence`` seconds and ``Ended`` where the other
        end has closed.
        """
        rest = memoryview(data)
        while rest or self._line.has_unsent:
            self.wait(silence, is_sending=True)
            try:
                heard = self._line.receive()
                if heard == b"":
                    raise Ended
                rest = rest[self._line.send(rest) :]
            except (BrokenPipeError, ConnectionResetError) as error:
                raise Ended from error
            if heard:
                yield heard

    def end_output(self, *, silence: float) -> None:
        """Say that nothing more comes; what the other says can still be heard."""
        self._line.end_output()
        while self._line.has_unsent:
            self.wait(silence, is_sending=True)
            self._line.flush()

    def listen(self, *, silence: float) -> Iterator[bytes]:
        """What comes, until the other end closes. Raises ``Silent``."""
        if self._early:
            early, self._early = self._early, b""
            yield early
        while True:
            heard = self._line.receive()
            if heard is None:
                self.wait(silence)
            elif heard:
                yield heard
            else:
                return

    def wait(self, seconds: float, *, is_sending: bool = False) -> None:
        """Until something came, or something can go. Raises ``Silent``."""
        poll = select.poll()
        events = select.POLLIN | (select.POLLOUT if is_sending else 0)
        poll.register(self._connection, events)
        if not poll.poll(max(1, int(seconds * 1000))):
            raise Silent


def _connected(endpoint: str, seconds: float) -> socket.socket:
    parts = urlsplit(endpoint)
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(seconds)
        try:
            connection.connect(parts.path)
        except BaseException:
            connection.close()
            raise
        return connection
    connection = socket.create_connection((parts.hostname, parts.port), timeout=seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files.ca)
    context.load_cert_chain(files.certificate, files.key)
    return context


def _parsed(head: bytes) -> tuple[int, int]:
    """The status and the length of the body, 0 where it is not said."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split()
    if len(words) < 2 or not words[1].isdigit():
        raise EngineUnavailable("the server's answer is none of HTTP")
    fields = dict(line.lower().split(":", 1) for line in lines if ":" in line)
    length = fields.get("content-length", "0").strip()
    return int(words[1]), int(length) if length.isdigit() else 0
