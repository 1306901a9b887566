"""Many looks at once, at servers that behave as badly as they like."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from hosting.engines import probe_async
from hosting.engines.probe_async import Timed

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SHORT = timedelta(seconds=0.5)


def _says(*parts: bytes, pause: float = 0) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for each in parts:
            writer.write(each)
            await asyncio.sleep(pause)
        writer.close()

    return answer


async def _endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


def _ask(answer: Answer, media_type: str = "") -> Timed:
    async def ask() -> Timed:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await probe_async.http(
                "127.0.0.1",
                port,
                "/ready",
                host="book.acme.example",
                media_type=media_type,
                timeout=SHORT,
            )
        finally:
            server.close()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("parts", "status", "is_ok", "error"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\n"], 200, True, ""),
        ([b"HTTP/1.0 204 No Content\n\n"], 204, True, ""),
        ([b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 200\r\n"], 200, True, ""),
        ([b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"], 302, False, ""),
        ([b"HTTP/1.1 503 Busy\r\n\r\n"], 503, False, ""),
        ([b"SSH-2.0-OpenSSH\r\n"], None, False, probe_async.NO_HTTP),
        ([b"HTTP/1.1 2x0 OK\r\n"], None, False, probe_async.NO_HTTP),
        ([b"HTTP/1.1 100 Continue\r\n\r\n" * 20], None, False, probe_async.NO_HTTP),
        ([b"HTTP/1.1 200" + b" " * 40_000], None, False, probe_async.NO_HTTP),
        ([], None, False, "it hung up without an answer"),
    ],
)
def test_the_first_line_decides(
    parts: list[bytes], status: int | None, is_ok: bool, error: str
) -> None:
    found = _ask(_says(*parts)).probe
    assert (found.status, found.is_ok, found.error) == (status, is_ok, error)


HTML = b"Server: x\r\ncontent-type: text/html; charset=utf-8\r\n\r\n"
JSON = b"Server: x\r\nContent-Type: Application/JSON; charset=utf-8\r\n\r\n"
STARTING = "the app answered 200 with text/html, and not yet with application/json"


@pytest.mark.parametrize(
    ("head", "is_ok", "error"),
    [
        (b"HTTP/1.1 200 OK\r\n" + JSON, True, ""),
        (b"HTTP/1.1 200 OK\r\n" + HTML, False, STARTING),
        (b"HTTP/1.1 200 OK\r\n\r\n", False, STARTING.replace("text/html", "no media type")),
        (b"HTTP/1.1 503 Busy\r\n" + HTML, False, ""),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + JSON, False, probe_async.NO_HTTP),
    ],
)
def test_a_page_that_says_wait_is_not_the_answer(head: bytes, is_ok: bool, error: str) -> None:
    found = _ask(_says(head), media_type="application/json").probe
    assert (found.is_ok, found.error) == (is_ok, error)


def test_an_answer_that_drips_is_given_up_in_time() -> None:
    began = time.monotonic()
    drips = [b"H"] * 100
    assert "no answer within 0.5 s" in _ask(_says(*drips, pause=0.1)).probe.error
    assert time.monotonic() - began < 3


def test_an_answer_without_an_end_is_no_http() -> None:
    assert _ask(_endless).probe.error == probe_async.NO_HTTP


def test_the_name_and_the_path_are_asked_for() -> None:
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    _ask(listen)
    assert heard[0].startswith(b"GET /ready HTTP/1.1\r\nHost: book.acme.example\r\n")


@pytest.mark.parametrize("path", ["/ x", "/\r\nHost: other"])
def test_no_path_becomes_a_second_line(path: str) -> None:
    found = asyncio.run(probe_async.http("127.0.0.1", 9, path, host="x", timeout=SHORT))
    assert found.probe.error == probe_async.NO_HTTP


def test_nobody_there_is_said_and_one_that_hangs_keeps_nobody_waiting() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def ask() -> list[Timed]:
        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        ports = [port] * 50 + [1]
        asked = [
            probe_async.http("127.0.0.1", each, "/", host="x", timeout=SHORT) for each in ports
        ]
        found = await asyncio.gather(*asked)
        server.close()
        return found

    began = time.monotonic()
    found = asyncio.run(ask())
    assert time.monotonic() - began < 5  # 25 s one after the other
    assert found[-1].probe.error == "nothing listens there"
