"""A run's hold on a service that a keeper keeps."""

import fcntl
import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from berth_local.errors import LocalError
from berth_local.layout import CHECKOUT
from berth_local.service import Service

SCRIPT = CHECKOUT / "deploy" / "local" / "services.py"
START_PATIENCE = 240.0
STOP_PATIENCE = 120.0


@dataclass
class Lease:
    """While it is open, the service runs; `environment` says how to reach it."""

    service: Service
    connection: socket.socket
    environment: dict[str, str]

    def close(self) -> None:
        """Let go; when we were the last, return only after the service has stopped."""
        with self.connection:
            try:
                self.connection.shutdown(socket.SHUT_WR)
                self.connection.settimeout(STOP_PATIENCE)
                self.connection.recv(1)
            except OSError:
                return  # the keeper has gone before us

    def lost(self) -> LocalError:
        """What to say when the connection ends before we let go."""
        log = self.service.layout.log(self.service.name)
        return LocalError(f"{self.service.title} stopped by itself: {log} says why.")


def join(service: Service) -> Lease | None:
    """Hold a service that a keeper keeps already; None where there is no keeper."""
    return _join(service, service.control / f"{service.name}.sock")


def take(service: Service, *, options: Sequence[str] = ()) -> Lease:
    """Join the keeper of a service, or start one with `options`; wait until the service answers."""
    address = service.control / f"{service.name}.sock"
    deadline = time.monotonic() + START_PATIENCE
    # One run at a time looks for a keeper and starts one, so that there are never two.
    with (service.control / f"{service.name}.spawn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        keeper: subprocess.Popen[bytes] | None = None
        while time.monotonic() < deadline:
            if lease := _join(service, address):
                return lease
            if keeper is None or keeper.poll() is not None:
                _refuse_second_crash(service, keeper)
                keeper = _start_keeper(service, options)
            time.sleep(0.03)
    raise LocalError(f"{service.title} is not there after {START_PATIENCE:.0f} s.")


def _refuse_second_crash(service: Service, keeper: subprocess.Popen[bytes] | None) -> None:
    if keeper is not None and keeper.returncode != 0:
        raise LocalError(
            f"{service.title} could not be started: {service.layout.log('keeper')} says why."
        )


def _join(service: Service, address: Path) -> Lease | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(address))
        connection.settimeout(START_PATIENCE)
        with connection.makefile("rb") as file:
            line = file.readline()
    except OSError:
        line = b""
    greeting = json.loads(line) if line else {}
    if "environment" in greeting:
        return Lease(service, connection, greeting["environment"])
    connection.close()
    if "error" in greeting:
        raise LocalError(greeting["error"])
    return None


def _start_keeper(service: Service, options: Sequence[str]) -> subprocess.Popen[bytes]:
    with service.layout.log("keeper").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, SCRIPT, "keep", service.name, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
