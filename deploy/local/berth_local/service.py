"""What the three services have in common."""

import shutil
import subprocess
import time
from pathlib import Path
from typing import ClassVar, Protocol

from berth_local.errors import LocalError
from berth_local.layout import Layout

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Service(Protocol):
    """A server that a keeper starts, waits for and stops."""

    name: ClassVar[str]
    title: ClassVar[str]
    patience: ClassVar[float]
    layout: Layout

    @property
    def control(self) -> Path:
        """A short directory, writable by us alone, for the keeper's socket and locks."""

    def start(self) -> subprocess.Popen[bytes]:
        """Prepare the files and start the server; does not wait for it."""

    def ready(self) -> bool:
        """Whether the server answers now."""

    def environment(self) -> dict[str, str]:
        """The variables by which a program reaches the server."""

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Stop the server in its orderly way and wait until it is gone."""


def program(name: str, *, package: str) -> Path:
    """The path of a program, also where only root's PATH would find it."""
    found = shutil.which(name) or shutil.which(name, path=SEARCH_PATH)
    if found is None:
        raise LocalError(
            f"The program '{name}' is not installed: run 'apt-get install {package}' as root."
        )
    return Path(found)


def wait_until_ready(service: Service, process: subprocess.Popen[bytes], *, since: int) -> None:
    """Wait for the server to answer; otherwise fail with the last lines of its log.

    `since` is the length in bytes that the log had before this start.
    """
    deadline = time.monotonic() + service.patience
    while not service.ready():
        if process.poll() is not None:
            problem = f"{service.title} ended at once (status {process.returncode})"
        elif time.monotonic() > deadline:
            problem = f"{service.title} does not answer after {service.patience:.0f} s"
        else:
            time.sleep(0.05)
            continue
        raise LocalError(f"{problem}. {log_tail(service.layout.log(service.name), since=since)}")


def log_tail(path: Path, *, since: int, lines: int = 8) -> str:
    """The last lines that a log gained after its first `since` bytes, with its name."""
    with path.open("rb") as file:
        file.seek(since)
        text = file.read().decode(errors="replace").strip()
    last = "\n".join(f"  {line}" for line in text.splitlines()[-lines:])
    return f"The end of {path}:\n{last}" if last else f"{path} says nothing."
