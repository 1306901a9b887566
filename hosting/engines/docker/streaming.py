"""Commands whose output or input is too long to hold: streamed, with an end to every wait."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from docker.errors import NotFound

from hosting.engines.docker.client import Client
from hosting.engines.docker.commands import Command
from hosting.engines.docker.errors import translated
from hosting.engines.docker.frames import STDERR, Frames, Tail
from hosting.engines.docker.wire import Ended, Silent, Wire
from hosting.engines.errors import CommandFailed, TryLater
from hosting.engines.observed import RunResult

OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024
LAST_WORDS_BYTES = 4 * 1024
COMPLAINING_SECONDS = 1.0


def read(
    client: Client, container: str, service: str, command: tuple[str, ...], *, silence: timedelta
) -> Generator[bytes, None, None]:
    """Yield what the command writes to its stdout; see ``Engine.read``.

    An empty piece now and then where it only complains: whoever looks at the clock in between
    still does.
    """
    words, yielded_at = Tail(LAST_WORDS_BYTES), time.monotonic()
    with _running(client, container, service, command) as talk:
        for heard in talk.listen(silence):
            said = []
            for kind, piece in heard:
                if kind == STDERR:
                    words.add(piece)
                else:
                    said.append(piece)
            if said or time.monotonic() - yielded_at > COMPLAINING_SECONDS:
                yield b"".join(said)
                yielded_at = time.monotonic()
        exit_code = talk.exit_code()
    if exit_code != 0:
        talk.refuse_restart()
        raise CommandFailed(service, command[0], exit_code, words.text())


def feed(
    client: Client,
    container: str,
    service: str,
    command: tuple[str, ...],
    chunks: Iterable[bytes],
    *,
    silence: timedelta,
) -> RunResult:
    """Let the command read the chunks from its stdin; see ``Engine.feed``."""
    output = Tail(OUTPUT_LIMIT_BYTES)
    with _running(client, container, service, command, has_input=True) as talk:
        for heard in talk.speak(chunks, silence):
            for _, piece in heard:
                output.add(piece)
        for heard in talk.listen(silence):
            for _, piece in heard:
                output.add(piece)
        exit_code = talk.exit_code()
    if exit_code != 0:
        talk.refuse_restart()
    return RunResult(exit_code=exit_code, output=output.text())


Heard = Iterator[tuple[int, memoryview]]


@dataclass(slots=True)
class _Talk:
    """A command that runs, and the connection to it."""

    command: Command
    wire: Wire
    what: str
    started_at: str  # of the container
    has_input: bool
    frames: Frames
    is_over: bool = False

    def speak(self, chunks: Iterable[bytes], silence: timedelta) -> Iterator[Heard]:
        """Send the chunks and the end; yield what comes meanwhile."""
        for chunk in chunks:  # whatever this raises is not the engine's: it goes out untouched
            self.command.client.ask_leave()
            with self._watched(silence, "neither took nor said anything"):
                for heard in self.wire.talk(chunk, silence=silence.total_seconds()):
                    yield self.frames.add(heard)
            if self.is_over:
                return
        with self._watched(silence, "neither took nor said anything"):
            self.wire.end_output(silence=silence.total_seconds())

    def listen(self, silence: timedelta) -> Iterator[Heard]:
        """What comes, to the end."""
        if self.is_over:
            return
        with self._watched(silence, "said nothing"):
            for heard in self.wire.listen(silence=silence.total_seconds()):
                yield self.frames.add(heard)

    def exit_code(self) -> int:
        """How it ended. The engine knows before it closes the command's output.

        One that still runs then has lost its connection, and so have its last words.
        """
        with translated(self.what):
            is_running, code = self.command.state()
        if is_running or code is None or not (self.is_over or self.frames.is_between):
            raise TryLater(f"{self.what}: the connection to {self.command.program} broke off")
        return code

    def refuse_restart(self) -> None:
        """Raise ``TryLater`` where the whole container ended, and the command only with it."""
        if self.started_at != _started_at(self.command.client, self.command.container, self.what):
            program = self.command.program
            raise TryLater(f"{self.what} stopped while the command {program} ran")

    @contextmanager
    def _watched(self, silence: timedelta, failing: str) -> Iterator[None]:
        with translated(self.what):
            try:
                yield
            except (Ended, ConnectionResetError):
                # The command did not want the rest of its input, unless it still runs.
                if not self.has_input:
                    raise
                self.is_over = True
            except Silent:
                seconds = f"{silence.total_seconds():g} s"
                fate = "killed" if self.command.kill() else "left behind"
                program = self.command.program
                raise TryLater(
                    f"{self.what}: the command {program} {failing} for {seconds} and was {fate}"
                ) from None


@contextmanager
def _running(
    client: Client,
    container: str,
    service: str,
    command: tuple[str, ...],
    *,
    has_input: bool = False,
) -> Iterator[_Talk]:
    """Start the command; kill it where what is done with it does not come to its end."""
    what = f"the service {service}"
    started_at = _started_at(client, container, what)
    with translated(what):
        known = Command.create(client, container, command, has_input=has_input)
        wire = Wire.open(client)
    try:
        with translated(what):
            wire.ask(
                f"/v{client.api.api_version}/exec/{known.id}/start",
                {"Detach": False, "Tty": False},
                seconds=client.timeout_seconds,
            )
        yield _Talk(known, wire, what, started_at, has_input, Frames())
    except BaseException:
        known.kill()  # before the connection goes: its end would look like the end of the input
        raise
    finally:
        wire.close()


def _started_at(client: Client, container: str, what: str) -> str:
    """When the container was started, empty where it does not run."""
    with translated(what):
        try:
            state: dict[str, Any] = client.api.inspect_container(container)["State"]
        except NotFound:
            return ""
    return str(state["StartedAt"]) if state["Running"] else ""
