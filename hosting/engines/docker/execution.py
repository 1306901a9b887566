"""Running a command inside a container, with an end to every wait."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import requests
from urllib3.exceptions import HTTPError as TransportError

from hosting.engines.docker.client import Client, Response
from hosting.engines.docker.commands import Command
from hosting.engines.docker.errors import translated
from hosting.engines.errors import TryLater
from hosting.engines.observed import RunResult

OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024
_SETTLE_SECONDS = 2.0


class _TookTooLong(Exception):
    """The command was still running at its deadline."""


def execute(
    client: Client, container: str, command: tuple[str, ...], *, timeout: timedelta, what: str
) -> RunResult:
    """Run a command in a running container; return its exit code and its output.

    Output beyond 4 MiB is cut off at the front. Raises ``TryLater`` after ``timeout``: the command
    is then killed, where that is possible. Output that keeps trickling may stretch the timeout to
    twice.
    """
    with translated(what):
        known = Command.create(client, container, command)
        deadline = time.monotonic() + timeout.total_seconds()
        try:
            output = _output(client, known.id, deadline)
        except _TookTooLong:
            fate = "killed" if known.kill() else "left behind"
            seconds = f"{timeout.total_seconds():g} s"
            raise TryLater(
                f"{what}: the command {command[0]} took longer than {seconds} and was {fate}"
            ) from None
        return RunResult(exit_code=_exit_code(client, known.id), output=output)


def _output(client: Client, execution: str, deadline: float) -> str:
    silence = max(0.1, deadline - time.monotonic())
    response = client.stream(
        "POST",
        f"/exec/{execution}/start",
        silence_seconds=silence,
        body={"Detach": False, "Tty": False},
    )
    try:
        return unframed(_read(response, deadline)).decode(errors="replace")
    except (requests.exceptions.RequestException, TransportError) as error:
        if time.monotonic() >= deadline - 0.05:
            raise _TookTooLong from error
        raise
    finally:
        response.close()


def _read(response: Response, deadline: float) -> bytearray:
    """Everything until the command closes its output."""
    received = bytearray()
    while chunk := response.raw.read1(65536):
        received += chunk
        if time.monotonic() > deadline:
            raise _TookTooLong
        if len(received) > 2 * OUTPUT_LIMIT_BYTES:
            received = _shortened(received)
    return received


def _frames(stream: bytes | bytearray) -> list[tuple[int, int]]:
    """Where each whole frame of a multiplexed stream begins and ends.

    A frame is eight bytes (kind, three zeros, length as big-endian 32 bits) and its payload:
    https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
    """
    found = []
    at = 0
    while at + 8 <= len(stream):
        end = at + 8 + int.from_bytes(stream[at + 4 : at + 8], "big")
        found.append((at, end))
        at = end
    return found


def _shortened(stream: bytearray) -> bytearray:
    """The stream without its oldest frames, so that a chatty command cannot fill the memory."""
    for start, _ in _frames(stream):
        if len(stream) - start <= OUTPUT_LIMIT_BYTES:
            return stream[start:]
    return stream


def unframed(stream: bytes | bytearray) -> bytes:
    """The payloads of a multiplexed stream, stdout and stderr as they came."""
    return b"".join(bytes(stream[start + 8 : end]) for start, end in _frames(stream))


def _exit_code(client: Client, execution: str) -> int:
    """The exit code; the engine may close the output a moment before it has it."""
    patience = time.monotonic() + _SETTLE_SECONDS
    while True:
        state: dict[str, Any] = client.api.exec_inspect(execution)
        if not state["Running"] and state["ExitCode"] is not None:
            return int(state["ExitCode"])
        if time.monotonic() > patience:
            raise TryLater("the server does not say how the command ended")
        time.sleep(0.01)
