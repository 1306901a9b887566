"""One run of an external program that may take hours and must never hang or outlive us."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from select import select
from types import TracebackType
from typing import IO, Self

from hosting.engines.restic.program import path_of

_FIRST_LINES = 30
_LAST_LINES = 50
_LONGEST_LINE = 2000
_GRACE_SECONDS = 5.0
_READ_BYTES = 256 * 1024

# What counts as progress. A program that only retries moves less than this.
_MOVED_BYTES = 64 * 1024
_MOVED_SECONDS = 0.25


class Stalled(Exception):  # never leaves this package
    """The program was ended because nothing moved for the time allowed."""


class Child:
    """A running program, ended with all that it started when the ``with`` block is left.

    ``passwords`` maps a variable's name to a secret, which the program reads from a pipe named by
    that variable: it is in no argument list, no environment and no file. The program also dies
    when this process does. While ``is_ours`` is true the program waits for us, and nothing that it
    does not do in that time counts as a stall.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        passwords: Mapping[str, str],
        stall: timedelta,
    ) -> None:
        self.is_ours = False
        self._stall = stall.total_seconds()
        self._stalled = False
        self._ended = threading.Event()
        self._first: list[str] = []
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._process = _start(command, environment, passwords)
        self._threads = [self._thread(self._hear), self._thread(self._watch)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._ended.set()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def words(self) -> str:
        """What it said on stderr: the first lines and the last."""
        return "\n".join([*self._first, *self._last])

    def feed(self, chunk: bytes) -> bool:
        """Hand it all of the chunk; False when it takes no more."""
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[os.write(_fileno(self._process.stdin), rest) :]
        except BrokenPipeError:
            return False
        return True

    def close_input(self) -> None:
        """Tell it that nothing more comes."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def output(self, *, or_nothing_every: float | None = None) -> Iterator[bytes]:
        """Its standard output in pieces, as they come.

        An empty one where so many seconds passed without: for whoever looks at the clock between.
        """
        out = _fileno(self._process.stdout)
        while True:
            if not select([out], [], [], or_nothing_every)[0]:
                yield b""
            elif chunk := os.read(out, _READ_BYTES):
                yield chunk
            else:
                return

    def each_line(self, take: Callable[[str], None]) -> None:
        """Call ``take`` with each line of its standard output, from a thread of its own."""
        self._threads.append(self._thread(lambda: self._pass_on(take)))

    def wait(self) -> int:
        """Its exit status, once all that it said was heard. Raises ``Stalled``."""
        status = self._process.wait()
        for thread in self._threads:
            if thread is not self._threads[1]:
                thread.join()
        if self._stalled:
            raise Stalled
        return status

    # Threads

    def _thread(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    def _hear(self) -> None:
        for line in _lines(self._process.stderr):
            if len(self._first) < _FIRST_LINES:
                self._first.append(line[:_LONGEST_LINE])
            else:
                self._last.append(line[:_LONGEST_LINE])

    def _pass_on(self, take: Callable[[str], None]) -> None:
        for line in _lines(self._process.stdout):
            take(line)

    def _watch(self) -> None:
        marked_at, mark = time.monotonic(), self._moved()
        while not self._ended.wait(min(1.0, self._stall / 4)):
            if self._process.poll() is not None:
                return
            moved = self._moved()
            if self.is_ours or _is_progress(mark, moved):
                marked_at, mark = time.monotonic(), moved
            elif time.monotonic() - marked_at > self._stall:
                self._stalled = True
                self._end()
                return

    def _moved(self) -> tuple[int, float]:
        """Bytes read and written so far, files and sockets, and CPU seconds used."""
        try:
            counters = Path(f"/proc/{self.pid}/io").read_text().split()
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            return 0, 0.0
        ticks = int(fields[11]) + int(fields[12])
        return int(counters[1]) + int(counters[3]), ticks / os.sysconf("SC_CLK_TCK")

    # Ending it

    def _end(self) -> None:
        """Ask it to stop, so that restic can remove its lock, and then leave nothing of it.

        Its input stays open until it is gone: the end of the input would tell it that the stream
        is complete.
        """
        if self._process.poll() is not None:
            return
        members = list(_session(self.pid))
        self._process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        for member in members:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(member, signal.SIGKILL)
            os.close(member)
        self._process.wait()


def _start(
    command: Sequence[str], environment: Mapping[str, str], passwords: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start it as the leader of a session, so that its ssh is found when all have to go.

    The kernel kills it when we are killed. Else it would see its input end in the middle, and keep
    half a stream as a whole one.
    """
    pipes = {variable: _pipe_with(secret) for variable, secret in passwords.items()}
    try:
        return subprocess.Popen(
            [path_of("setpriv"), "--pdeathsig", "KILL", path_of(command[0]), *command[1:]],
            env={**environment, **{name: f"/dev/fd/{end}" for name, end in pipes.items()}},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=tuple(pipes.values()),
            start_new_session=True,
        )
    finally:
        for end in pipes.values():
            os.close(end)


def _pipe_with(secret: str) -> int:
    """The reading end of a pipe that holds the secret and then ends."""
    reading, writing = os.pipe()
    try:
        os.write(writing, secret.encode())
    finally:
        os.close(writing)
    return reading


def _session(leader: int) -> Iterator[int]:
    """A descriptor for each process of that session: unlike its number, never another's later."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            member = os.pidfd_open(int(entry.name))
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                fields = ["", "", "", ""]
            if fields[3] == str(leader):
                yield member
            else:
                os.close(member)


def _is_progress(before: tuple[int, float], now: tuple[int, float]) -> bool:
    return now[0] - before[0] >= _MOVED_BYTES or now[1] - before[1] >= _MOVED_SECONDS


def _lines(pipe: IO[bytes] | None) -> Iterator[str]:
    for line in pipe or ():
        yield line.decode(errors="replace").rstrip("\n")


def _fileno(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise RuntimeError("this pipe was not asked for")
    return pipe.fileno()
