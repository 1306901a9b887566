"""Putting a configuration in place of the running one, and never a wrong one.

Files in the edge directory: ``current.conf`` (a symbolic link into ``releases/``), ``pages/``,
``logs/``, ``temp/``, ``nginx.pid``, ``status.sock`` and two lock files.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from hosting.engines.errors import GiveUp, TryLater
from hosting.engines.nginx.pages import PAGES
from hosting.engines.nginx.render import generation_of

_KEPT_RELEASES = 5
_WORKER_USERS = ("www-data", "nginx", "nobody")

# The lock is inherited by nginx and its workers, so that one directory never runs two of them; the
# socket of one that was killed would otherwise be taken for an address in use.
_START = """
exec 9>>"$1/run.lock"
flock -n 9 || { echo "the edge in $1 is already running" >&2; exit 1; }
rm -f "$1/status.sock"
shift
exec "$@"
"""


class Applied(StrEnum):
    """What became of a configuration."""

    UNCHANGED = "unchanged"  # it was in place already, and live if nginx runs
    LIVE = "live"  # every new request is answered by it
    PLACED = "placed"  # nginx is not running and will start with it


class Nginx:
    """The nginx of one edge directory. Needs the right to signal it: its user, or root."""

    def __init__(
        self, directory: Path, *, binary: str = "nginx", timeout_seconds: float = 30.0
    ) -> None:
        self.directory = directory
        self._binary = binary
        self._timeout = timeout_seconds
        self._current = directory / "current.conf"
        self._releases = directory / "releases"

    def apply(self, text: str) -> Applied:
        """Make this rendered configuration the live one; the same text twice changes nothing.

        Raises ``GiveUp`` with nginx's own words when nginx refuses it, and ``TryLater`` when
        another change is under way or nginx does not take it up in time. After either, file and
        process are as before.
        """
        generation = generation_of(text)
        with self._only_one():
            self._prepare()
            if self._is_in_place(text, generation):
                return Applied.UNCHANGED
            release = self._write(text, generation)
            self._test(release)
            previous = self._point_at(release)
            self._prune()
            if not self.is_running():
                return Applied.PLACED
            try:
                self._reload(generation)
            except (GiveUp, TryLater):
                self._go_back(previous, release)
                raise
            return Applied.LIVE

    def start_command(self) -> list[str]:
        """The command for a supervisor: runs in the foreground, stops gently on SIGQUIT.

        It serves what ``apply`` put in place last, so ``apply`` must have been called once.
        """
        command = [*self._nginx(self._current), "-g", self._globals(f"daemon off; {self._user()}")]
        return ["/bin/sh", "-c", _START, "berth-edge", str(self.directory), *command]

    def is_running(self) -> bool:
        """True when this directory's nginx master is alive."""
        return self._master() is not None

    def live_generation(self) -> str | None:
        """The generation that the running nginx tells; None when it does not answer."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2)
                connection.connect(str(self.directory / "status.sock"))
                connection.sendall(b"GET /generation HTTP/1.0\r\n\r\n")
                answer = connection.makefile("rb").read()
        except OSError:
            return None
        return str(answer.rpartition(b"\r\n\r\n")[2].decode("ascii", "replace"))

    def rotate_logs(self, *, max_bytes: int, keep: int = 5) -> bool:
        """Start a new log file where one outgrew ``max_bytes``; keep that many old ones each."""
        grown = [log for log in self._logs() if log.stat().st_size > max_bytes]
        for log in grown:
            for number in range(keep - 1, 0, -1):
                older = log.with_name(f"{log.name}.{number}")
                if older.exists():
                    older.replace(log.with_name(f"{log.name}.{number + 1}"))
            log.replace(log.with_name(f"{log.name}.1"))
        master = self._master()
        if grown and master is not None:
            os.kill(master, signal.SIGUSR1)
        return bool(grown)

    # Putting files in place

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "apply.lock").open("a") as lock:
            deadline = time.monotonic() + self._timeout
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise TryLater("another change of the edge is under way") from None
                    time.sleep(0.02)
            yield

    def _prepare(self) -> None:
        self._refuse_unreachable_directory()
        for name in ("releases", "pages", "logs", "temp"):
            (self.directory / name).mkdir(exist_ok=True)
            (self.directory / name).chmod(0o755)
        for name, page in PAGES.items():
            file = self.directory / "pages" / f"{name}.html"
            if not file.exists() or file.read_text() != page:
                _write_whole(file, page)

    def _is_in_place(self, text: str, generation: str) -> bool:
        if not self._current.exists() or self._current.read_text() != text:
            return False
        return not self.is_running() or self.live_generation() == generation

    def _write(self, text: str, generation: str) -> Path:
        numbers = [int(each.name.partition("-")[0]) for each in self._releases.glob("*-*.conf")]
        release = self._releases / f"{max(numbers, default=0) + 1:08d}-{generation}.conf"
        _write_whole(release, text)
        return release

    def _point_at(self, release: Path) -> Path | None:
        """Swap the link in one step; return where it pointed before."""
        previous = self._current.resolve() if self._current.exists() else None
        fresh = self._current.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(release.relative_to(self.directory))
        fresh.replace(self._current)
        return previous

    def _go_back(self, previous: Path | None, release: Path) -> None:
        if previous is None:
            self._current.unlink()
        else:
            self._point_at(previous)
        release.unlink()

    def _prune(self) -> None:
        for old in sorted(self._releases.glob("*-*.conf"))[:-_KEPT_RELEASES]:
            old.unlink()

    # Talking to nginx

    def _nginx(self, configuration: Path) -> list[str]:
        # -e: else nginx writes its first words to a log that only root may open.
        return [
            self._path_of_binary(),
            *("-p", str(self.directory), "-c", str(configuration)),
            *("-e", str(self.directory / "logs" / "error.log")),
        ]

    def _path_of_binary(self) -> str:
        # Services often run without the sbin directories, where Debian puts nginx.
        found = shutil.which(self._binary, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if found is None:
            raise GiveUp(f"{self._binary} is not installed on the edge's server")
        return found

    @staticmethod
    def _globals(directives: str) -> str:
        return directives.strip()

    def _user(self) -> str:
        name = _worker_user()
        return f"user {name};" if name else ""

    def _test(self, release: Path) -> None:
        command = [*self._nginx(release), "-t", "-q", "-g", self._globals(self._user())]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=self._timeout, check=False
            )
        except subprocess.TimeoutExpired:
            release.unlink()
            raise TryLater("nginx did not finish testing its configuration in time") from None
        if done.returncode != 0:
            release.unlink()
            raise GiveUp(f"nginx refused the configuration: {_reason(done.stderr)}")

    def _reload(self, generation: str) -> None:
        """Signal nginx, then wait until no worker of the old configuration takes requests."""
        master = self._master()
        if master is None:
            return
        log = self.directory / "logs" / "error.log"
        seen = log.stat().st_size if log.exists() else 0
        old = _children(master)
        os.kill(master, signal.SIGHUP)
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            if not any(_takes_requests(worker) for worker in old) and (
                self.live_generation() == generation
            ):
                return
            refusal = _emergencies(log, seen)
            if refusal:
                raise GiveUp(f"nginx refused the configuration: {_reason(refusal)}")
            time.sleep(0.005)
        raise TryLater("nginx did not take up its new configuration in time")

    def _master(self) -> int | None:
        try:
            pid = int((self.directory / "nginx.pid").read_text() or "0")
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except (OSError, ValueError):
            return None  # no file, an empty one (left by a test run), or no such process
        ours = f"-p {self.directory} " in command.replace("\0", " ")
        return pid if ours and "nginx: master" in command else None

    def _logs(self) -> list[Path]:
        return sorted((self.directory / "logs").glob("*.log"))

    def _refuse_unreachable_directory(self) -> None:
        """A root master drops to a user who must get at pages and temporary files."""
        user = _worker_user()
        for path in (self.directory, *self.directory.parents) if user else ():
            if not path.stat().st_mode & stat.S_IXOTH:
                raise GiveUp(
                    f"nginx's user {user} cannot enter {path}: allow it (chmod o+x) or choose"
                    " another edge directory"
                )


def _worker_user() -> str | None:
    """Whom a root master lets its workers be; None when not root, as then nobody can be chosen."""
    if os.geteuid() != 0:
        return None
    present = {entry.pw_name for entry in pwd.getpwall()}
    for name in _WORKER_USERS:
        if name in present:
            return name
    raise GiveUp(f"the edge's server has none of the users {', '.join(_WORKER_USERS)}")


def _write_whole(file: Path, text: str) -> None:
    """The file appears whole or not at all, also when the power fails in between."""
    fresh = file.with_name(f".{file.name}.new")
    with fresh.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.chmod(0o644)
    fresh.replace(file)


def _children(pid: int) -> tuple[int, ...]:
    return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def _takes_requests(worker: int) -> bool:
    """False once the worker is gone or has begun to drain: it then accepts nothing new."""
    try:
        title = Path(f"/proc/{worker}/cmdline").read_bytes()
    except OSError:
        return False
    return title.startswith(b"nginx: worker process") and b"shutting down" not in title


def _emergencies(log: Path, offset: int) -> str:
    """What nginx wrote at level emerg since then; a port in use, say, which no test run finds."""
    if not log.exists():
        return ""
    with log.open("rb") as lines:
        lines.seek(offset)
        fresh = lines.read().decode(errors="replace").splitlines()
    return "\n".join(line for line in fresh if "[emerg]" in line)


def _reason(output: str) -> str:
    """The first complaint as one sentence without paths, with the line where it has one."""
    first = next((line for line in output.splitlines() if "[emerg]" in line), output.strip())
    message = re.sub(r"^.*\[emerg\]\s*(?:\d+#\d+:\s*)?", "", first)
    message = re.sub(r" in \S+:(\d+)$", r" (line \1)", message)
    return re.sub(r"(?:/[^/\s\"]+)+/", "", message) or "no reason given"
