"""Large files that are cut into the same pieces wherever they lie, on a real repository."""

from __future__ import annotations

import random
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from hosting.engines.restic import Repository, Target, open_repository
from hosting.engines.tar_aligning import FILLER, aligned, is_filler
from tests.hosting.engines import tars

PAGE = 8192
PAGES = 1024  # of the table


def _table() -> bytes:
    """Pages as PostgreSQL fills them: with some zeros between what points at rows and the rows."""
    chance = random.Random(4)
    rows = (chance.randbytes(PAGE - 200) for _ in range(PAGES))
    return b"".join(b"\1" * 100 + bytes(100) + each for each in rows)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    found = open_repository(Target(str(tmp_path)), "acme/book", "correct-horse-battery-Xy7")
    found.ensure()
    return found


def _stored(repository: Repository, chunks: Iterable[bytes]) -> int:
    return repository.write("base/db.tar", chunks, tags=["test"]).stored_bytes


def test_a_table_is_not_stored_anew_where_a_file_before_it_has_grown(
    repository: Repository,
) -> None:
    table = tars.file("base/1", _table())
    before = tars.tar(tars.file("base/0", b"a" * PAGE), table)
    after = tars.tar(tars.file("base/0", b"a" * 2 * PAGE), table)
    first = _stored(repository, aligned([before]))
    assert first > PAGE * PAGES * 0.9
    assert _stored(repository, aligned([after])) < first / 5
    assert _stored(repository, [before]) > first / 2
    assert _stored(repository, [after]) > first / 2  # as it is without


def test_nothing_but_fillers_is_added(repository: Repository) -> None:
    made = tars.tar(tars.file("./a", b"1"), tars.folder("./c"), tars.file("./b", _table()))
    shown, plain = tars.shown(aligned([made])), tars.shown([made])
    assert {name: each for name, each in shown.items() if not is_filler(name)} == plain
    assert list(shown) == ["./a", "./c", FILLER, "./b"]


def test_what_is_no_tar_is_refused() -> None:
    with pytest.raises(tarfile.TarError):
        list(aligned([b"it broke off"]))
