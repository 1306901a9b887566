"""What every kind of target does alike."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from hosting.engines.errors import GiveUp
from hosting.engines.restic import (
    Damaged,
    Repository,
    RepositoryMissing,
    Target,
    TargetRefused,
    TargetUnavailable,
    WrongPassword,
    open_repository,
)
from tests.hosting.engines.restic.servers import Place, S3Server

DUMP = random.Random(7).randbytes(3_000_000)


@pytest.fixture
def fresh(target: Target) -> Repository:
    return open_repository(target, f"client-{uuid.uuid4().hex[:8]}", "a password of its own")


@pytest.fixture
def files(place: Place, fresh: Repository) -> Path:
    """Where the repository lies in the end: all servers of the tests keep plain files."""
    return place.directory / fresh.name


def pieces() -> Iterator[bytes]:
    for start in range(0, len(DUMP), 50_000):
        yield DUMP[start : start + 50_000]


def test_it_keeps_streams_from_the_first_to_the_removal(
    fresh: Repository, target: Target, files: Path
):
    with pytest.raises(RepositoryMissing):
        fresh.snapshots()
    assert fresh.ensure()
    assert not fresh.ensure()

    written = fresh.write("postgres/app.dump", pieces(), tags={"nightly", "op:17"})
    assert (written.path, written.size) == ("postgres/app.dump", len(DUMP))
    assert written.sha256 == sha256(DUMP).hexdigest()
    assert len(DUMP) * 0.99 < written.stored_bytes < len(DUMP) * 1.05
    fresh.verify(written)

    (kept,) = fresh.snapshots(tags={"nightly"})
    assert kept.id == written.snapshot
    assert kept.tags == {"nightly", "op:17"}
    assert kept.path == written.path
    assert kept.taken_at.tzinfo is not None
    assert fresh.size_bytes() >= written.stored_bytes * 0.99
    with pytest.raises(WrongPassword):
        open_repository(target, fresh.name, "another password").ensure()

    fresh.forget([written.snapshot])
    assert fresh.snapshots() == ()
    reported: list[str] = []
    fresh.prune(report=reported.append)
    assert any("removing" in line for line in reported)
    assert fresh.size_bytes() == 0
    fresh.check(read_data=True)

    fresh.destroy()
    fresh.destroy()
    assert not files.exists()
    with pytest.raises(RepositoryMissing):
        fresh.snapshots()


def test_its_only_key_opens_without_long_stretching(fresh: Repository, files: Path):
    fresh.ensure()
    (key,) = files.glob("keys/*")
    stored = json.loads(key.read_bytes())
    assert (stored["kdf"], stored["N"] * stored["r"] * stored["p"]) == ("scrypt", 8 * 1024)
    assert key.name == sha256(key.read_bytes()).hexdigest()
    fresh.check(read_data=True)


def test_it_starts_over_only_where_a_creation_broke_off(fresh: Repository, files: Path):
    fresh.ensure()
    fresh.write("state", [b"kept"], tags=())
    (files / "config").unlink()
    with pytest.raises(Damaged, match="its configuration is gone"):
        fresh.ensure()
    assert list((files / "snapshots").iterdir())

    for part in ("snapshots", "index"):
        for file in (files / part).iterdir():
            file.unlink()
    assert fresh.ensure()
    assert len(list((files / "keys").iterdir())) == 1


def test_it_removes_nothing_where_other_files_lie(fresh: Repository, files: Path):
    files.mkdir(parents=True)
    (files / "invoice.pdf").write_bytes(b"of somebody else")
    with pytest.raises(GiveUp, match=r"invoice\.pdf, which is not a repository's"):
        fresh.destroy()
    assert (files / "invoice.pdf").exists()


def test_it_tells_a_refused_key_from_a_missing_repository(s3: S3Server):
    stranger = open_repository(s3.target(secret="not-the-secret"), "acme", "password")
    with pytest.raises(TargetRefused) as refused:
        stranger.ensure()
    assert "not-the-secret" not in str(refused.value)
    with pytest.raises(TargetRefused):
        stranger.destroy()


@pytest.mark.parametrize(
    "location", ["s3:http://127.0.0.1:9/backups", "sftp:sftp@127.0.0.1:/backups"]
)
def test_it_says_that_a_server_is_away(location: str):
    options = ("sftp.command=ssh -F none -o BatchMode=yes -p 9 127.0.0.1 -s sftp",)
    away = open_repository(Target(location, options=options), "acme", "password")
    with pytest.raises(TargetUnavailable):
        away.ensure()
    with pytest.raises(TargetUnavailable):
        away.destroy()


def test_it_takes_a_directory_that_is_not_there_for_a_disk_that_is_away(tmp_path):
    away = open_repository(Target(str(tmp_path / "disk")), "acme", "password")
    for ask in (away.ensure, away.snapshots, away.destroy):
        with pytest.raises(TargetUnavailable, match="is its disk mounted"):
            ask()
    assert not (tmp_path / "disk").exists()
