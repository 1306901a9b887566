"""A copy of deploy/local with its own var/, and what to look at around it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class Checkout:
    """A directory with only deploy/local in it."""

    root: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def var(self) -> Path:
        return self.root / "var"

    def start(
        self,
        *command: str,
        options: tuple[str, ...] = (),
        docker: bool = False,
        within: tuple[str, ...] = (),
    ) -> subprocess.Popen[str]:
        """Start `services.py run`, as arguments of the command `within`, without waiting."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "REDIS_URL"} and not name.startswith("BERTH_")
        }
        options = options if docker else ("--no-docker", *options)
        script = self.root / "deploy" / "local" / "services.py"
        process = subprocess.Popen(
            [*within, sys.executable, str(script), "run", *options, "--", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(
        self,
        *command: str,
        options: tuple[str, ...] = (),
        docker: bool = False,
        within: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run a command with the services and wait for its end."""
        process = self.start(*command, options=options, docker=docker, within=within)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def processes(self) -> list[str]:
        """Every process of this checkout: by its command line, or as a server on its ports."""
        # Only what is surely ours: an empty or general mark would match the whole machine.
        marks = [str(self.root).encode()]
        for record in self.var.rglob("*.json"):
            settings = json.loads(record.read_text())
            marks.append(f"127.0.0.1:{settings['port']}".encode())
            if "data" in settings:
                marks.append(settings["data"].encode())
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if any(mark in command for mark in marks):
                found.append(f"{entry.name} {command.replace(bytes(1), b' ').decode()}")
        return found

    def redis_pid(self) -> int:
        """The private Redis of this checkout, known by the directory it works in."""
        own = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    works_in, name = (entry / "cwd").readlink(), (entry / "comm").read_text()
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue
                if works_in == self.var / "redis" and name.strip() == "redis-server":
                    own.append(int(entry.name))
        assert len(own) == 1, f"not exactly one Redis works in {self.var}: {own}"
        return own[0]


def wait_for(condition: Callable[[], object], *, seconds: float = 30.0) -> bool:
    """Whether `condition` came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
