"""A private Redis: on 127.0.0.1 only, with a password, keeping what it was told on disk."""

import signal
import socket
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from berth_local.control import control_directory
from berth_local.layout import Layout, require_free, write_private
from berth_local.processes import end, start_service
from berth_local.service import program

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{directory}"
appendonly yes
daemonize no
"""


@dataclass
class Redis:
    """Redis of one scope, run as the user we are."""

    layout: Layout
    name: ClassVar[str] = "redis"
    title: ClassVar[str] = "The private Redis"
    patience: ClassVar[float] = 30.0

    @property
    def control(self) -> Path:
        """See Service."""
        return control_directory(self.layout)

    def start(self) -> subprocess.Popen[bytes]:
        """See Service."""
        server = program("redis-server", package="redis-server")
        require_free(self._settings["port"], service="Redis", record=self.layout.var / "redis.json")
        directory = self.layout.directory("redis")
        configuration = directory / "redis.conf"
        write_private(configuration, CONFIGURATION.format(directory=directory, **self._settings))
        with self.layout.log(self.name).open("ab") as log:
            return start_service([server, configuration], log=log, end_signal=signal.SIGTERM)

    def ready(self) -> bool:
        """See Service."""
        hello = f"AUTH {self._settings['password']}\r\nPING\r\nQUIT\r\n"
        try:
            with socket.create_connection(("127.0.0.1", self._settings["port"]), 5) as connection:
                connection.sendall(hello.encode())
                with connection.makefile("rb") as answers:
                    return b"+PONG" in answers.read()
        except OSError:
            return False

    def environment(self) -> dict[str, str]:
        """See Service."""
        port, password = self._settings["port"], self._settings["password"]
        return {"REDIS_URL": f"redis://:{password}@127.0.0.1:{port}/0"}

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Stop by SIGTERM, on which Redis writes what is left of its append-only file."""
        end(process, (signal.SIGTERM, 30.0))

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return self.layout.settings(self.name)
