"""The processes of a running Berth, as children that end with the demonstration."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from hosting.engines import probe

STOP_WITHIN_SECONDS = 20


def commands(web_port: int) -> dict[str, list[str]]:
    """What runs, by name."""
    python = sys.executable
    celery = [python, "-m", "celery", "-A", "hosting.config"]
    return {
        "edge": [python, "manage.py", "edge"],
        "hold": [python, "manage.py", "hold"],
        "worker": [*celery, "worker", "--concurrency", "4", "--loglevel", "INFO"],
        "scheduler": [*celery, "beat", "--loglevel", "INFO"],
        "watch": [python, "manage.py", "watch"],
        "sample": [python, "manage.py", "sample"],
        "probe": [python, "manage.py", "probe"],
        "web": [
            *(python, "-m", "gunicorn", "hosting.config.wsgi"),
            *("--bind", f"127.0.0.1:{web_port}", "--workers", "2", "--threads", "4"),
        ],
    }


class Processes:
    """Children with a log file each; all of them are ended when the block is left."""

    def __init__(self, commands: dict[str, list[str]], *, base: Path, logs: Path) -> None:
        self._commands = commands
        self._base = base
        self._logs = logs
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._files = ExitStack()

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        for name, command in self._commands.items():
            log = self._files.enter_context((self._logs / f"{name}.log").open("ab"))
            self._children[name] = subprocess.Popen(
                command,
                cwd=self._base,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ.copy(),
                process_group=0,  # Ctrl-C is for the demonstration, which then ends them in order
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in self._children.values():
            child.terminate()
        deadline = time.monotonic() + STOP_WITHIN_SECONDS
        for child in self._children.values():
            try:
                child.wait(timeout=max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._files.close()

    def fallen(self) -> str | None:
        """A sentence about a process that has ended, with the end of its log; None if all run."""
        for name, child in self._children.items():
            if child.poll() is not None:
                log = (self._logs / f"{name}.log").read_text(errors="replace")
                end = "\n".join(log.splitlines()[-15:])
                return f"The {name} process ended with status {child.returncode}:\n{end}"
        return None

    def wait_for(
        self,
        url: str,
        *,
        host: str,
        media_type: str = "",
        seconds: float = 120,
        until: Callable[[probe.Probe], bool] = lambda answer: answer.is_ok,
    ) -> None:
        """Wait until the URL answers well. Raises ``RuntimeError`` with the reason."""
        deadline = time.monotonic() + seconds
        answer = probe.http(url, host=host, media_type=media_type)
        while not until(answer):
            if fallen := self.fallen():
                raise RuntimeError(fallen)
            if time.monotonic() > deadline:
                said = answer.error or f"status {answer.status}"
                raise RuntimeError(f"{host} did not answer well within {seconds:.0f} s: {said}.")
            time.sleep(0.1)
            answer = probe.http(url, host=host, media_type=media_type)
