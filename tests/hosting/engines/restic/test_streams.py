"""Streams going in: how much they take, beside one another, and what others see of them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hosting.engines.errors import GiveUp
from hosting.engines.restic import Locked, Repository, open_repository
from tests.hosting.engines.restic.servers import S3Server

MIB = 1024 * 1024
ROOT = Path(__file__).parents[4]


def writer(repository: Repository, mebibytes: int, *hold: str) -> subprocess.Popen[str]:
    """``writer.py`` in a process of its own."""
    location, secret = repository.target.location, repository.password
    arguments = (location, repository.name, secret, str(mebibytes), *hold)
    command = [sys.executable, "-m", "tests.hosting.engines.restic.writer", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_gibibyte_takes_no_memory(repository: Repository):
    with writer(repository, 1024) as process:
        told = process.communicate(timeout=300)[0].split()
    grown, restic, size = map(int, told)
    print(f"peak memory grew by {grown} KiB, restic took {restic} KiB")
    assert size == 1024 * MIB
    assert grown < 50 * 1024
    assert restic < 500 * 1024


def test_an_unchanged_stream_takes_no_space_again(repository: Repository):
    dump = random.Random(3).randbytes(4 * MIB)
    first = repository.write("dump", [dump], tags=())
    second = repository.write("dump", [dump[:MIB], dump[MIB:]], tags=())
    assert first.sha256 == second.sha256
    assert first.snapshot != second.snapshot
    assert first.stored_bytes > 4 * MIB
    assert second.stored_bytes < 2_000


def test_two_writers_do_not_wait_for_each_other_and_nobody_prunes_meanwhile(
    repository: Repository,
):
    both_write, go_on = threading.Barrier(3), threading.Event()

    def stream(seed: int) -> Iterator[bytes]:
        chance = random.Random(seed)
        yield chance.randbytes(2 * MIB)  # more than a pipe holds: restic has begun
        both_write.wait(60)
        assert go_on.wait(60)
        yield chance.randbytes(MIB)

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(repository.write, f"d{n}", stream(n), tags=()) for n in (1, 2)]
        both_write.wait(60)
        try:
            with pytest.raises(Locked):
                repository.prune()
        finally:
            go_on.set()
        for written in [future.result() for future in futures]:
            repository.verify(written)


def test_nobody_sees_a_secret(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("BERTH_DATABASE_URL", "postgres://berth:of-berth-alone@db/berth")
    target = s3.target()
    repository = open_repository(target, "seen", "a-password-nobody-sees")
    repository.ensure()
    seen: list[str] = []
    environments: list[str] = []

    def stream() -> Iterator[bytes]:
        yield bytes(MIB)
        seen.append(subprocess.check_output(["ps", "-ewwo", "args"], text=True))
        environments.extend(map(_environment_of, _children_named("restic")))
        yield bytes(MIB)

    repository.write("state", stream(), tags={"t"})
    secret_key = target.environment["AWS_SECRET_ACCESS_KEY"]
    assert "restic --no-cache" in seen[0]
    restic_lines = [line for line in seen[0].splitlines() if "--stdin-filename" in line]
    for secret in (repository.password, secret_key, "of-berth-alone"):
        assert not any(secret in line for line in restic_lines)
    assert len(environments) == 1
    assert secret_key in environments[0]
    for secret in (repository.password, "of-berth-alone", "BERTH_"):
        assert secret not in environments[0]
    shown = f"{target!r} {repository!r} {caplog.text}"
    assert repository.password not in shown
    assert secret_key not in shown


@pytest.mark.parametrize(
    "ask",
    [
        lambda repository: repository.write("--exclude=x", [], tags=()),
        lambda repository: repository.write("../up", [], tags=()),
        lambda repository: repository.write("a", [], tags={"one,two"}),
        lambda repository: repository.write("a", [], tags=(), host="-x"),
        lambda repository: list(repository.read("latest", "a")),
        lambda repository: repository.forget(["--keep-last=1"]),
        lambda repository: open_repository(repository.target, "../other", "password"),
        lambda repository: open_repository(repository.target, "other", "two\nlines"),
        lambda repository: open_repository(repository.target, "other", ""),
    ],
)
def test_it_refuses_what_restic_could_take_for_something_else(
    repository: Repository, ask: Callable[[Repository], object]
):
    with pytest.raises(GiveUp):
        ask(repository)


def _children_named(name: str) -> list[int]:
    told = subprocess.check_output(
        ["ps", "-o", "pid=,comm=", "--ppid", str(os.getpid())], text=True
    )
    return [int(line.split()[0]) for line in told.splitlines() if line.split()[1] == name]


def _environment_of(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text()
