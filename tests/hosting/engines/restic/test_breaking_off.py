"""Streams that break off, processes that die, and targets that stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hosting.engines.restic import (
    Locked,
    Repository,
    Target,
    TargetFull,
    TargetUnavailable,
    open_repository,
)
from tests.hosting.engines.restic.servers import LOOPBACK
from tests.hosting.engines.restic.test_streams import MIB, writer


class DumpBrokeOff(Exception):
    pass


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> Iterator[None]:
    yield
    told = subprocess.check_output(["ps", "-o", "comm=", "--ppid", str(os.getpid())], text=True)
    assert "restic" not in told


def test_a_stream_that_breaks_off_leaves_nothing(repository: Repository, directory: Path):
    def stream() -> Iterator[bytes]:
        yield os.urandom(3 * MIB)
        raise DumpBrokeOff

    with pytest.raises(DumpBrokeOff):
        repository.write("dump", stream(), tags={"nightly"})
    assert repository.snapshots() == ()
    assert not list((directory / "locks").iterdir())


def test_a_killed_worker_leaves_no_half_stream_and_no_restic(
    repository: Repository, directory: Path
):
    with writer(repository, 3, "hold") as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "holding\n"
        (restic,) = _children(worker.pid)
        worker.kill()
    _wait_until_gone(restic)
    assert repository.snapshots() == ()
    repository.prune()  # though it needs the repository for itself, and a lock was left
    assert not list((directory / "locks").iterdir())


def test_a_killed_restic_is_an_error_and_its_lock_is_got_over(
    repository: Repository, directory: Path
):
    def stream() -> Iterator[bytes]:
        yield os.urandom(3 * MIB)
        (restic,) = _children(os.getpid())
        os.kill(restic, signal.SIGKILL)
        while True:
            yield os.urandom(MIB)

    with pytest.raises(Exception, match="restic failed on the backup repository acme"):
        repository.write("dump", stream(), tags=())
    assert len(list((directory / "locks").iterdir())) == 1
    assert repository.snapshots() == ()
    repository.prune()
    assert not list((directory / "locks").iterdir())


def test_a_write_gets_over_the_lock_of_a_dead_process_but_not_of_a_living(
    repository: Repository, directory: Path
):
    started = 0

    def stream() -> Iterator[bytes]:
        nonlocal started
        started += 1
        yield from (b"once", b" and", b" only")

    with _held_by_another(repository, directory), pytest.raises(Locked):
        repository.write("state", stream(), tags=())
    written = repository.write("state", stream(), tags=())
    assert started == 2
    assert b"".join(repository.read(written.snapshot, "state")) == b"once and only"


def test_reading_may_stop_early(repository: Repository, directory: Path):
    written = repository.write("dump", [os.urandom(3 * MIB)], tags=())
    reading = repository.read(written.snapshot, written.path)
    assert next(reading)
    reading.close()
    assert not _children(os.getpid())
    assert not list((directory / "locks").iterdir())


def test_a_target_that_stalls_is_given_up(tmp_path: Path):
    with socket.socket() as deaf:
        deaf.bind((LOOPBACK, 0))
        deaf.listen()  # takes connections and never answers
        location = f"s3:http://{LOOPBACK}:{deaf.getsockname()[1]}/backups"
        environment = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        stalled = Target(location, environment=environment, stall=timedelta(seconds=2))
        with pytest.raises(TargetUnavailable, match="nothing moved for 0:00:02"):
            open_repository(stalled, "acme", "password").snapshots()


def test_a_slow_source_is_no_stalled_target(repository: Repository):
    quick = replace(repository, target=replace(repository.target, stall=timedelta(seconds=4)))

    def stream() -> Iterator[bytes]:
        yield os.urandom(MIB)
        threading.Event().wait(7)
        yield os.urandom(MIB)

    assert quick.write("dump", stream(), tags=()).size == 2 * MIB


def test_a_full_target_is_told_and_keeps_no_half(repository: Repository, directory: Path):
    with _small_disk(directory / "data", mebibytes=8):
        with pytest.raises(TargetFull):
            repository.write("dump", (os.urandom(MIB) for _ in range(64)), tags=())
        assert repository.snapshots() == ()


@contextmanager
def _held_by_another(repository: Repository, directory: Path) -> Iterator[None]:
    """A process that has the repository for itself and waits for ever; killed at the end."""
    repository.write("other", [os.urandom(MIB)], tags=())
    pack = max(directory.glob("data/*/*"), key=lambda each: each.stat().st_size)
    pack.unlink()
    os.mkfifo(pack)  # opening it for reading waits for one who writes
    other = subprocess.Popen(
        ["restic", "-r", str(directory), "--no-cache", "check", "--read-data"],
        env={**os.environ, "RESTIC_PASSWORD": repository.password},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not list((directory / "locks").iterdir()):
            assert other.poll() is None
            time.sleep(0.01)
        yield
    finally:
        other.kill()
        other.wait()


@contextmanager
def _small_disk(place: Path, *, mebibytes: int) -> Iterator[None]:
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(place)], check=True
    )
    try:
        for number in range(256):
            (place / f"{number:02x}").mkdir()
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _children(parent: int) -> list[int]:
    told = subprocess.run(
        ["ps", "-o", "pid=,comm=", "--ppid", str(parent)], capture_output=True, text=True
    ).stdout
    return [int(line.split()[0]) for line in told.splitlines() if line.split()[1] == "restic"]


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "restic outlived the worker"
        time.sleep(0.02)
