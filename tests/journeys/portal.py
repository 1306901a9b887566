"""Berth's own processes beside a test: the edge, and workers with their scheduler."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.db import connection
from websockets.sync.client import ClientConnection, connect

from hosting.engines.nginx import Nginx
from hosting.flows.running import edge as edge_flow
from hosting.models import Instance
from hosting.selectors.instances import hostname

BASE = Path(__file__).parents[2]


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> float:
    """Wait; return how long it took. Fails with ``what`` where it does not come true in time."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - began


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def web(port: int, instance: Instance) -> httpx.Client:
    """A browser that speaks to the instance by its name, through the edge."""
    return httpx.Client(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Host": hostname(instance), "browser-id": "journey"},
        timeout=30,
        trust_env=False,
    )


@dataclass
class Edge:
    """The edge of the settings' directory, once it is started."""

    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def nginx(self) -> Nginx:
        return Nginx(settings.BERTH_EDGE_DIR)

    def start(self) -> None:
        edge_flow.publish()
        self.process = subprocess.Popen(self.nginx.start_command(), process_group=0)
        wait_until(
            lambda: self.nginx.live_generation() is not None, seconds=20, what="nginx answers"
        )

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)  # workers outlive a killed master
            self.process.wait(20)
            self.process = None

    def get(self, instance: Instance, path: str = "/") -> httpx.Response:
        """Open a path of the instance as a browser does."""
        return self.ask(hostname(instance), path)

    def ask(self, host: str, path: str = "/") -> httpx.Response:
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.get(url, headers={"Host": host}, timeout=20, trust_env=False)

    def websocket(self, instance: Instance) -> ClientConnection:
        dialled = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return connect(f"ws://{hostname(instance)}:{self.port}/ws", sock=dialled)


def environment() -> dict[str, str]:
    """What a process of Berth needs to be part of the test's installation."""
    database = urlsplit(os.environ["DATABASE_URL"])
    name = connection.settings_dict["NAME"]
    directories = settings.BERTH_CATALOG_DIRS[1:]  # the first comes by itself
    return {
        **os.environ,
        "DATABASE_URL": database._replace(path=f"/{name}").geturl(),
        "BERTH_OWNER": settings.BERTH_OWNER,
        "BERTH_CATALOG_DIRS": ",".join(str(each) for each in directories),
        "BERTH_BACKUP_TARGET": settings.BERTH_BACKUP_TARGET,
        "BERTH_EDGE": str(settings.BERTH_EDGE),
        "BERTH_EDGE_DIR": str(settings.BERTH_EDGE_DIR),
        "BERTH_EDGE_PORT": str(settings.BERTH_EDGE_PORT),
        "BERTH_EDGE_URL": settings.BERTH_EDGE_URL,
        "BERTH_LEASE_SECONDS": str(int(settings.BERTH_LEASE.total_seconds())),
    }


@dataclass
class Worker:
    """A Celery worker with the scheduler in it, in a process group of its own."""

    directory: Path
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.directory / "worker.log"

    def start(self, *, level: str = "INFO") -> None:
        """Returns at once; the worker takes some seconds until it listens."""
        schedule = self.directory / "schedule"
        command = [
            *(sys.executable, "-m", "celery", "-A", "hosting.config", "worker", "--beat"),
            *("--concurrency", "4", "--loglevel", level, "--schedule", str(schedule)),
            *("--without-gossip", "--without-mingle"),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=BASE,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environment(), "BERTH_LOG_LEVEL": level},
                process_group=0,
            )

    def kill(self) -> None:
        """As the kernel does when memory is gone: all at once and without a word."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)
            self.process = None

    def stop(self) -> None:
        """As a supervisor does: what is being worked on is finished first."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None
