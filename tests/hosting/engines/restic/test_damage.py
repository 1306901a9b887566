"""Damaged repositories: what finds the damage, and what is said of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from hosting.engines.restic import Damaged, Repository, Written, open_repository

DUMP = random.Random(11).randbytes(2_000_000)


@pytest.fixture
def written(repository: Repository) -> Written:
    return repository.write("postgres/app.dump", [DUMP], tags={"nightly"})


@pytest.fixture
def pack(written: Written, directory: Path) -> Path:
    """The file that holds most of the stream."""
    return max((each for each in directory.glob("data/*/*")), key=lambda each: each.stat().st_size)


def test_it_finds_a_flipped_byte_by_reading(repository: Repository, written: Written, pack: Path):
    pack.chmod(0o600)
    with pack.open("r+b") as file:
        file.seek(pack.stat().st_size // 2)
        old = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([old[0] ^ 0x01]))

    repository.check()  # looks at the structure alone
    with pytest.raises(Damaged, match=f"pack {pack.name[:8]}"):
        repository.check(read_data=True)
    with pytest.raises(Damaged, match=r"postgres/app\.dump"):
        repository.verify(written)


def test_it_finds_a_pack_that_is_gone(repository: Repository, written: Written, pack: Path):
    pack.unlink()
    with pytest.raises(Damaged, match=f"pack {pack.name[:8]}"):
        repository.check()


def test_it_says_that_a_stream_is_another(repository: Repository, written: Written):
    expected = Written(written.snapshot, written.path, written.size, "0" * 64, 0)
    with pytest.raises(Damaged, match=r"postgres/app\.dump .* another checksum"):
        repository.verify(expected)


def test_it_says_that_a_snapshot_or_a_path_is_not_there(repository: Repository, written: Written):
    with pytest.raises(Damaged, match="postgres/other"):
        list(repository.read(written.snapshot, "postgres/other"))
    with pytest.raises(Damaged, match="deadbeef"):
        list(repository.read("deadbeef", written.path))
    other = open_repository(repository.target, "other", repository.password)
    other.ensure()
    with pytest.raises(Damaged, match="snapshot deadbeef"):
        repository.copy_to(other, ["deadbeef"])
    repository.forget(["deadbeef"])  # gone already is fine
    assert len(repository.snapshots()) == 1
