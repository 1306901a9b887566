"""A second Docker Engine beside the machine's, with networks, that may be killed.

It lives in namespaces of its own for networks, mounts and processes: nothing that it does reaches
the machine's engine, and with the first process of the namespace everything of it ends. Its
containers can't be reached over the network from outside, and need not be: their readiness is
asked for inside them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from berth_local.engine import answers
from berth_local.processes import end, living_descendants, start_service
from berth_local.service import program
from tests.chaos import engine
from tests.chaos.waiting import wait_until

# Docker reads about interfaces and cgroups below /sys, which has to be the namespace's own.
SET_UP = """
mount --rbind /sys/fs/cgroup "$1/cgroup" && mount -t sysfs none /sys &&
mount --rbind "$1/cgroup" /sys/fs/cgroup && ip link set lo up && exec sleep infinity
"""


@dataclass
class PrivateEngine:
    """``directory`` holds everything of it."""

    directory: Path
    owner: str
    namespace: subprocess.Popen[bytes] | None = None
    dockerd: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"unix://{self.directory}/docker.sock"

    def start(self) -> None:
        """Start it, for the first time or again, and wait until it answers."""
        if self.namespace is None:
            self.namespace = self._make_namespace()
        for stale in ("docker.pid", "exec/containerd/containerd.pid"):
            # Of a process that was killed. Process ids start anew here, so that it may fit another.
            (self.directory / stale).unlink(missing_ok=True)
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "docker.pid"}
        command: list[str | Path] = [
            *(program("nsenter", package="util-linux"), "--target", str(self._first)),
            *("--net", "--mount", "--pid", "--", program("dockerd", package="docker.io")),
            *(f"--{option}={self.directory / name}" for option, name in places.items()),
            *(f"--host={self.endpoint}", "--bip=10.199.255.1/24"),
        ]
        with (self.directory / "dockerd.log").open("ab") as log:
            self.dockerd = start_service(command, log=log, end_signal=signal.SIGKILL)
        wait_until(lambda: answers(self.endpoint), seconds=60, what="the private engine answers")

    def crash(self) -> None:
        """Kill dockerd and its containerd at once; the containers go on without them."""
        assert self.dockerd is not None
        for pid in living_descendants(self.dockerd.pid):
            with suppress(ProcessLookupError):  # it starts containers: some live for a moment only
                os.kill(pid, signal.SIGKILL)
        end(self.dockerd)

    def load(self, image: str) -> None:
        """Give it an image that the machine's engine has."""
        docker = str(program("docker", package="docker.io"))
        with subprocess.Popen([docker, "save", image], stdout=subprocess.PIPE) as saving:
            command = [docker, "--host", self.endpoint, "load", "--quiet"]
            subprocess.run(command, stdin=saving.stdout, check=True, timeout=300)

    def stop(self) -> None:
        """End it with all its containers, and leave nothing."""
        if self.namespace is None:
            return
        if answers(self.endpoint):
            engine.remove_all_of(self.owner, self.endpoint)  # their cgroups are the machine's
        end(self.namespace)
        if self.dockerd is not None:
            end(self.dockerd)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _make_namespace(self) -> subprocess.Popen[bytes]:
        (self.directory / "cgroup").mkdir(parents=True)
        command: list[str | Path] = [
            *(program("unshare", package="util-linux"), "--net", "--mount", "--pid", "--fork"),
            *("--mount-proc", "--kill-child", "--propagation", "private"),
            # The first process has to bury what is orphaned; Docker's own init does.
            *(program("docker-init", package="tini"), "--", "sh", "-c", SET_UP, "-"),
            self.directory,
        ]
        with (self.directory / "namespace.log").open("ab") as log:
            namespace = start_service(command, log=log, end_signal=signal.SIGKILL)
        wait_until(
            lambda: b"sleep" in _command_of_last(namespace.pid),
            seconds=20,
            what="the private engine's namespace is there",
        )
        return namespace

    @property
    def _first(self) -> int:
        assert self.namespace is not None
        return living_descendants(self.namespace.pid)[0]


def _command_of_last(root: int) -> bytes:
    """The command line of the newest process below."""
    below = living_descendants(root)
    return (Path("/proc") / str(max(below)) / "cmdline").read_bytes() if below else b""
