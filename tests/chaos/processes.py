"""Berth's own processes, each of which can be killed, paused and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from berth_local.processes import die_with_parent

BASE = Path(__file__).parents[2]


@dataclass
class Part:
    """A program in a process group of its own; it ends at the latest with the harness."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def has_ended(self) -> bool:
        """Whether it was started and has ended, and nobody has killed it."""
        return self.process is not None and self.process.poll() is not None

    def start(self, **more: str) -> None:
        """Start it, with more in its environment; returns at once."""
        assert not self.is_alive, f"{self.name} runs already"
        harness = os.getpid()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=BASE,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, **more},
                process_group=0,
                preexec_fn=lambda: die_with_parent(harness, signal.SIGKILL),  # noqa: PLW1509
            )

    def kill(self) -> None:
        """As the kernel does when memory is gone: the whole group at once, without a word."""
        self._tell(signal.SIGKILL)
        if self.process is not None:
            self.process.wait(20)
        self.process = None

    def pause(self) -> None:
        """As a machine that is too busy does, or one that is moved while it runs."""
        self._tell(signal.SIGSTOP)

    def resume(self) -> None:
        self._tell(signal.SIGCONT)

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of what it said."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _tell(self, signum: int) -> None:
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signum)  # pool processes outlive their killed parent
        except ProcessLookupError:
            return


def worker(directory: Path, environment: Mapping[str, str], *, concurrency: int = 4) -> Part:
    """A Celery worker as in production, apart from the scheduler."""
    command = (
        *(sys.executable, "-m", "celery", "-A", "hosting.config", "worker"),
        *("--concurrency", str(concurrency), "--loglevel", "INFO"),
        *("--without-gossip", "--without-mingle"),
    )
    return Part("worker", command, directory / "worker.log", environment)


def beat(directory: Path, environment: Mapping[str, str]) -> Part:
    """The scheduler."""
    schedule = str(directory / "schedule")
    command = (
        *(sys.executable, "-m", "celery", "-A", "hosting.config", "beat"),
        *("--schedule", schedule, "--pidfile", "", "--loglevel", "INFO"),
    )
    return Part("beat", command, directory / "beat.log", environment)


def watch(directory: Path, environment: Mapping[str, str]) -> Part:
    """The process that follows the servers and puts right what has drifted."""
    command = (sys.executable, str(BASE / "manage.py"), "watch")
    return Part("watch", command, directory / "watch.log", environment)
