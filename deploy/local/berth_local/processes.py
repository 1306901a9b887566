"""Starting processes that cannot outlive us, and ending those that are left."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
KEEPER_MARK = b"\0keep\0"

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with_parent(parent: int, signum: int = signal.SIGTERM) -> None:
    """Have the kernel send us `signum` when the process `parent` ends, however it ends."""
    _prctl(PR_SET_PDEATHSIG, signum)
    if os.getppid() != parent:
        os.kill(os.getpid(), signum)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (prctl(2), subreaper)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def start_service(
    command: Sequence[str | Path], *, log: IO[bytes], user: str | None = None, end_signal: int
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, as `user`; it gets `end_signal` when we end."""
    parent = os.getpid()
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        cwd="/",
        # The kernel forgets the parent-death signal when a process changes its user, so the
        # change happens here, before it, and not through Popen's own `user`.
        preexec_fn=_become(user, then=lambda: die_with_parent(parent, end_signal)),
    )


def _become(user: str | None, *, then: Callable[[], None]) -> Callable[[], None]:
    import pwd

    entry = pwd.getpwnam(user) if user else None

    def prepare() -> None:
        if entry:
            os.initgroups(entry.pw_name, entry.pw_gid)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
        then()

    return prepare


def end(process: subprocess.Popen[bytes], *signals: tuple[int, float]) -> None:
    """End a process by each (signal, seconds to wait) in turn, and by SIGKILL at last."""
    for signum, patience in (*signals, (signal.SIGKILL, 10.0)):
        if process.poll() is not None:
            return
        process.send_signal(signum)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue


def end_descendants(*, patience: float) -> None:
    """End everything that descends from us, services of a keeper apart.

    Works from a subreaper only: there even a process that was orphaned is still found.
    """
    deadline = time.monotonic() + patience
    told: set[int] = set()
    while remaining := living_descendants(os.getpid()):
        late = time.monotonic() > deadline
        for pid in remaining:
            if late or pid not in told:
                told.add(pid)
                _tell(pid, signal.SIGKILL if late else signal.SIGTERM)
        _reap()
        time.sleep(0.02)
    _reap()


def living_descendants(root: int) -> list[int]:
    """The process ids below `root`, without zombies and without keepers and what they run."""
    children: dict[int, list[int]] = {}
    for pid, (parent, state) in _processes().items():
        if state != "Z":
            children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = list(children.get(root, ()))
    while waiting:
        pid = waiting.pop()
        if not _is_keeper(pid):
            found.append(pid)
            waiting.extend(children.get(pid, ()))
    return found


def _processes() -> Mapping[int, tuple[int, str]]:
    table = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # proc(5): "pid (name) state ppid ..."; the name may hold spaces and brackets.
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue  # ended while we were looking
            table[int(entry.name)] = (int(parent), state)
    return table


def _is_keeper(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"/services.py" + KEEPER_MARK in command


def _tell(pid: int, signum: int) -> None:
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return
