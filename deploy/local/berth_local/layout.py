"""Where the local services keep their files."""

import hashlib
import json
import os
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from berth_local.errors import LocalError

CHECKOUT = Path(__file__).resolve().parents[3]
BYTECODE = "bytecode"  # below var/
LOG_LIMIT_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Layout:
    """The files of one scope: `var/` itself, or `var/<scope>/` for a named one."""

    scope: str = ""

    def __post_init__(self) -> None:
        if self.scope and not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", self.scope):
            raise LocalError(
                f"'{self.scope}' is no name for a scope: use up to 31 small letters, digits and "
                "hyphens, beginning with a letter."
            )
        if self.scope in {BYTECODE, "log", "postgres", "redis"}:
            raise LocalError(f"The scope '{self.scope}' would mix with files of that name in var/.")

    @property
    def var(self) -> Path:
        """The directory that holds everything of this scope."""
        return CHECKOUT / "var" / self.scope if self.scope else CHECKOUT / "var"

    @property
    def digest(self) -> str:
        """A short name for this scope of this checkout, unique on the machine."""
        return hashlib.sha256(str(self.var).encode()).hexdigest()[:12]

    def log(self, name: str) -> Path:
        """The log file of a service; one beyond 10 MB is set aside first."""
        path = self.directory("log") / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def directory(self, name: str) -> Path:
        """A directory below `var`, made where it is missing."""
        path = self.var / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def settings(self, service: str) -> dict[str, Any]:
        """The port and password of a service, chosen once and kept in `<service>.json`."""
        path = self.var / f"{service}.json"
        if path.exists():
            return dict(json.loads(path.read_text()))
        chosen = {"port": free_port(), "password": secrets.token_urlsafe(24)}
        self.save_settings(service, chosen)
        return chosen

    def save_settings(self, service: str, settings: dict[str, Any]) -> None:
        """Write `<service>.json`, readable by its owner alone."""
        write_private(self.var / f"{service}.json", json.dumps(settings, indent=2) + "\n")

    def secret(self, name: str, fresh: str) -> str:
        """The secret kept in the file `name`; `fresh` becomes it where there is none yet."""
        path = self.var / name
        if not path.exists():
            write_private(path, fresh + "\n")
        return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 600, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_free(port: int, *, service: str, record: Path) -> None:
    """Refuse, naming the file that records the port, when another program listens on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise LocalError(
                f"Port {port} of the private {service} is taken by another program: stop that "
                f"program, or write another port into {record}."
            ) from error
