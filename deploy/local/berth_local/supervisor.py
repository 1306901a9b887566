"""Runs a command with the services it needs, and leaves nothing behind.

Two processes stand above the command. The front is the one that was started: it passes signals
on and waits. The supervisor does the work. Both adopt orphans, so whichever of them is killed,
the other one still finds and ends what is left.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from berth_local.errors import LocalError
from berth_local.lease import Lease
from berth_local.processes import adopt_orphans, die_with_parent, end_descendants

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
LEFTOVER_PATIENCE = 5.0


class _Told(BaseException):
    """A signal came before there was a command to pass it to."""

    def __init__(self, signum: int) -> None:
        self.signum = signum


def run(
    command: Sequence[str],
    *,
    take_leases: Callable[[list[Lease]], dict[str, str]],
    grace: float,
) -> int:
    """Run `command` with what `take_leases` adds to its environment; return its exit status.

    `take_leases` appends each lease to the list it is given as soon as it has it. `grace` is how
    many seconds the command has to end after it was told to.
    """
    adopt_orphans()
    front = os.getpid()
    supervisor = os.fork()
    if supervisor == 0:
        os._exit(_supervise(command, front=front, take_leases=take_leases, grace=grace))
    for signum in FORWARDED:
        signal.signal(signum, lambda received, _: _tell(supervisor, received))
    _, status = os.waitpid(supervisor, 0)
    end_descendants(patience=LEFTOVER_PATIENCE)
    return _exit_status(status)


def _supervise(
    command: Sequence[str],
    *,
    front: int,
    take_leases: Callable[[list[Lease]], dict[str, str]],
    grace: float,
) -> int:
    # A group of its own: the terminal's Ctrl-C comes through the front, and comes once.
    os.setpgid(0, 0)
    adopt_orphans()
    leases: list[Lease] = []
    received: list[int] = []
    try:
        for signum in FORWARDED:
            signal.signal(signum, _raise)
        die_with_parent(front)
        environment = {**os.environ, **take_leases(leases)}
        for signum in FORWARDED:
            signal.signal(signum, lambda signum, _: received.append(signum))
        # Kept in a variable: a forgotten Popen buries its child itself, and we would wait for ever.
        process = _start(command, environment)
        status = _attend(process.pid, leases, received, grace=grace)
    except _Told as told:
        status = 128 + told.signum
    except LocalError as error:
        print(f"berth: {error}", file=sys.stderr)
        status = 1
    finally:
        for signum in FORWARDED:
            signal.signal(signum, signal.SIG_IGN)
        end_descendants(patience=LEFTOVER_PATIENCE)
        for lease in reversed(leases):
            lease.close()
    sys.stderr.flush()
    return status


def _start(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the command in a process group of its own."""
    supervisor = os.getpid()

    def prepare() -> None:
        for signum in FORWARDED:
            signal.signal(signum, signal.SIG_DFL)
        die_with_parent(supervisor)

    try:
        return subprocess.Popen(command, env=environment, process_group=0, preexec_fn=prepare)
    except FileNotFoundError as error:
        raise LocalError(f"There is no program '{command[0]}'.") from error
    except PermissionError as error:
        raise LocalError(f"'{command[0]}' may not be executed.") from error


def _attend(pid: int, leases: list[Lease], received: list[int], *, grace: float) -> int:
    """Pass signals on until the command ends; return its exit status."""
    deadline: float | None = None
    watched = {lease.connection: lease for lease in leases}
    with _terminal_for(pid):
        while True:
            while received:
                deadline = deadline or time.monotonic() + grace
                _tell(-pid, received.pop(0))
            if deadline and time.monotonic() > deadline:
                _tell(-pid, signal.SIGKILL)
            for connection in select.select(list(watched), [], [], 0.1)[0]:
                print(f"berth: {watched.pop(connection).lost()}", file=sys.stderr)
            if (status := _ended(pid)) is not None:
                return status


def _ended(pid: int) -> int | None:
    """The exit status of the command, once it has one; buries adopted orphans on the way."""
    while True:
        found, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if found == 0:
            return None
        if found != pid:
            continue
        if not os.WIFSTOPPED(status):
            return _exit_status(status)
        _tell(-pid, signal.SIGCONT)  # Ctrl-Z: nobody would be there to continue it


@contextmanager
def _terminal_for(pid: int) -> Iterator[None]:
    """Give the terminal to the command, where there is one, so that it can be typed to."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield
        return
    ignored = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    before = os.tcgetpgrp(terminal)
    # Only who stands in the foreground may hand it on: "make test &" leaves the terminal alone.
    foreground = before == os.getpgid(os.getppid())
    try:
        if foreground:
            os.tcsetpgrp(terminal, pid)
        yield
    finally:
        if foreground:
            os.tcsetpgrp(terminal, before)
        signal.signal(signal.SIGTTOU, ignored)
        os.close(terminal)


def _exit_status(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _tell(pid: int, signum: int) -> None:
    """Send a signal to a process, or to a group by its negative id, if it is still there."""
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return


def _raise(signum: int, _frame: FrameType | None) -> None:
    raise _Told(signum)
