"""Looks at many web addresses at once, from one process.

Only the head of an answer is read, and no more of it than 16 KiB: what follows is a tenant's, may
never end, and nobody reads it. One look is one connection, so that connecting is tried as well.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta

from hosting.engines.probe import Probe, judged

LONGEST_HEAD = 16 * 1024
MOST_INTERIM = 8  # answers of the kind 1xx before the one that counts
SLOW = "no answer within {:g} s"
NO_HTTP = "what answers there does not speak HTTP"


@dataclass(frozen=True, slots=True)
class Timed:
    """What a look showed, and how long it took, in milliseconds."""

    probe: Probe
    ms: int


async def http(
    address: str,
    port: int,
    path: str,
    *,
    host: str,
    media_type: str = "",
    timeout: timedelta = timedelta(seconds=5),
) -> Timed:
    """GET the path there under that Host name, following nothing; what goes wrong is an answer.

    The media type is judged as :func:`hosting.engines.probe.judged` says.
    """
    began = time.monotonic()
    seconds = timeout.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            probe = await _get(address, port, path, host, media_type)
    except TimeoutError:
        probe = Probe(None, SLOW.format(seconds))
    except (OSError, EOFError) as error:
        probe = Probe(None, _words(error))
    except ValueError:  # a head that is too long, or none
        probe = Probe(None, NO_HTTP)
    return Timed(probe, round((time.monotonic() - began) * 1000))


async def _get(address: str, port: int, path: str, host: str, media_type: str) -> Probe:
    if any(each in path + host for each in "\r\n\0 "):
        raise ValueError("a path and a name are one word each")
    reader, writer = await asyncio.open_connection(address, port, limit=LONGEST_HEAD)
    try:
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Berth-probe\r\nAccept: */*\r\n"
            "Connection: close\r\n\r\n"
        )
        writer.write(request.encode("ascii", "replace"))
        for _ in range(MOST_INTERIM):
            status = _status(await reader.readuntil(b"\n"))
            if status >= 200:
                found = await _content_type(reader) if media_type else ""
                return judged(status, found, media_type)
            await reader.readuntil(b"\r\n\r\n")
        raise ValueError("only interim answers")
    except asyncio.LimitOverrunError as error:
        raise ValueError("too long a head") from error
    finally:
        writer.transport.abort()


async def _content_type(reader: asyncio.StreamReader) -> str:
    """The value of that header, empty where the head has none."""
    read = 0
    while (line := await reader.readuntil(b"\n")).strip():
        name, _, value = line.decode("latin-1").partition(":")
        if name.strip().lower() == "content-type":
            return value
        read += len(line)
        if read > LONGEST_HEAD:
            raise ValueError("too long a head")
    return ""


def _status(line: bytes) -> int:
    """Out of ``HTTP/1.1 200 OK``."""
    version, _, rest = line.partition(b" ")
    digits = rest[:3]
    if not version.startswith(b"HTTP/1.") or len(digits) != 3 or not digits.isdigit():
        raise ValueError("no status line")
    return int(digits)


def _words(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "it hung up without an answer"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    return getattr(error, "strerror", None) or type(error).__name__
