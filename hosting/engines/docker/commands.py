"""One command inside a container: created, asked how it ended, killed."""

from __future__ import annotations

import os
import secrets
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from hosting.engines.docker.client import Client
from hosting.engines.docker.errors import translated
from hosting.engines.errors import EngineError

_MARK = "BERTH_COMMAND"
# For an engine on another machine: whatever has the command's mark in its environment. All of it
# is stopped first, or else a shell would go on to its next line when its child dies before it; and
# stopped again, for what was started while the first round went on.
_KILL = (
    "for how in STOP STOP KILL; do for each in /proc/[0-9]*; do "
    'if grep -qs "$1" "$each/environ"; then kill -s "$how" "${each#/proc/}"; fi; done; done'
)
_DEATH_SECONDS = 2.0
_BIRTH_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Command:
    """A command that the engine knows; ``id`` is that of its exec."""

    client: Client
    container: str
    program: str
    id: str
    mark: str

    @classmethod
    def create(
        cls, client: Client, container: str, command: tuple[str, ...], *, has_input: bool = False
    ) -> Self:
        """Make it known to the engine; it does not run yet."""
        mark = f"{_MARK}={secrets.token_hex(16)}"
        made = client.api.exec_create(container, list(command), stdin=has_input, environment=[mark])
        return cls(client, container, command[0], str(made["Id"]), mark)

    def state(self) -> tuple[bool, int | None]:
        """Whether it runs, and its exit code once that is known."""
        shown: dict[str, Any] = self.client.api.exec_inspect(self.id)
        return bool(shown["Running"]), shown["ExitCode"]

    def kill(self) -> bool:
        """Kill it and what it started, with leave or without; False where that cannot be done.

        The Engine API has no call for it. Where the engine runs on this machine the processes are
        at hand; anywhere else the container needs a shell and ``grep``, and must allow its user to
        look at the command.
        """
        with suppress(EngineError), translated(f"the command {self.program}"):
            shown = self._begun()
            if not shown["Running"] and shown["ExitCode"] is not None:
                return True
            return self._kill_here(int(shown["Pid"])) or self._kill_there()
        return False

    def _begun(self) -> dict[str, Any]:
        """What the engine shows once the command has a process, or has ended.

        The engine answers a start before there is a process: whoever hangs up then has not ended
        the command, but its input, and the command would take what it got for the whole.
        """
        patience = time.monotonic() + _BIRTH_SECONDS
        while True:
            shown: dict[str, Any] = self.client.api.exec_inspect(self.id)
            has_begun = shown["Pid"] or shown["ExitCode"] is not None
            if has_begun or time.monotonic() > patience:
                return shown
            time.sleep(0.01)

    def _kill_here(self, pid: int) -> bool:
        if not self.client.is_local:
            return False
        try:
            # The id in the cgroup proves that the number means the same process here and there.
            if pid <= 1 or self.container not in Path(f"/proc/{pid}/cgroup").read_text():
                return False
            # The engine makes it the leader of a group, with all that it starts.
            if os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError):
            return False
        return True

    def _kill_there(self) -> bool:
        killer = ["sh", "-c", _KILL, "sh", self.mark]
        api = self.client.unfenced.api
        # Detached: docker-py waits for ever for an output that the engine forgets to close.
        api.exec_start(api.exec_create(self.container, killer)["Id"], detach=True)
        patience = time.monotonic() + _DEATH_SECONDS
        while time.monotonic() < patience:
            if not self.state()[0]:
                return True
            time.sleep(0.02)
        return False
