"""The process that keeps one service for as long as some run needs it.

Every run holds a connection to the keeper. The kernel closes it however the run ends, and with
the last connection the keeper stops the service and ends too.
"""

import fcntl
import json
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from berth_local.errors import LocalError
from berth_local.service import Service, wait_until_ready

FIRST_RUN_PATIENCE = 30.0
PREDECESSOR_PATIENCE = 90.0


class _EndedEarly(Exception):
    """The service ended by itself."""


class _Told(BaseException):
    """A signal told the keeper to end."""


def keep(service: Service, runs: list[socket.socket]) -> int:
    """Start a service, serve runs until the last has gone, stop it. The exit status is ours.

    `runs` takes the connections. The caller leaves them to the kernel to close when it exits:
    the last run takes the closing for the sign that nothing is left.
    """
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, _told)
    with (service.control / f"{service.name}.lock").open("w") as lock:
        _wait_for_predecessor(lock, service)
        address = service.control / f"{service.name}.sock"
        address.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(address))
        listener.listen(32)
        return _keep(service, listener, runs)


def _keep(service: Service, listener: socket.socket, runs: list[socket.socket]) -> int:
    log = service.layout.log(service.name)
    since = log.stat().st_size if log.exists() else 0
    process: subprocess.Popen[bytes] | None = None
    try:
        process = service.start()
        wait_until_ready(service, process, since=since)
        _serve(listener, runs, process, {"environment": service.environment()})
    except LocalError as error:
        _serve_failure(listener, {"error": str(error)})
        return 1
    except (_EndedEarly, _Told):
        return 1
    finally:
        # New runs must find nobody here, and start a keeper of their own, which waits for us.
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, signal.SIG_IGN)
        Path(listener.getsockname()).unlink(missing_ok=True)
        listener.close()
        if process is not None:
            service.stop(process)
    return 0


def _serve(
    listener: socket.socket,
    runs: list[socket.socket],
    process: subprocess.Popen[bytes],
    greeting: dict[str, dict[str, str]],
) -> None:
    """Greet runs as they come; return when the last has gone."""
    deadline = time.monotonic() + FIRST_RUN_PATIENCE
    had_one = False
    while True:
        readable, _, _ = select.select([listener, *runs], [], [], 0.5)
        for ready in readable:
            if ready is listener:
                runs.append(_greet(listener, greeting))
                had_one = True
            elif len(runs) == 1:
                return  # its connection closes when the service has stopped: it waits for that
            else:
                runs.remove(ready)
                ready.close()
        if process.poll() is not None:
            raise _EndedEarly
        if not had_one and time.monotonic() > deadline:
            return


def _serve_failure(listener: socket.socket, greeting: dict[str, str]) -> None:
    """Tell every run that waits why there is no service."""
    patience = FIRST_RUN_PATIENCE
    while select.select([listener], [], [], patience)[0]:
        _greet(listener, greeting).close()
        patience = 0.0


def _greet(
    listener: socket.socket, greeting: dict[str, dict[str, str]] | dict[str, str]
) -> socket.socket:
    run, _ = listener.accept()
    try:
        run.sendall(json.dumps(greeting).encode() + b"\n")
    except (BrokenPipeError, ConnectionResetError):
        return run  # it has gone already: the next look at its connection says so
    return run


def _wait_for_predecessor(lock: IO[str], service: Service) -> None:
    deadline = time.monotonic() + PREDECESSOR_PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise LocalError(
                    f"{service.title} of an earlier run is still stopping after "
                    f"{PREDECESSOR_PATIENCE:.0f} s."
                ) from None
            time.sleep(0.05)
        else:
            return


def _told(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise _Told
