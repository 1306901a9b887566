"""Adding up what volumes hold, file by file, within a time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hosting.engines.docker.sizing import OutOfTimeError, bytes_under

MB = 1_000_000


def _later() -> float:
    return time.monotonic() + 60


def test_files_of_all_folders_count_and_links_once(tmp_path: Path) -> None:
    before = bytes_under(str(tmp_path), _later())
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "one").write_bytes(b"x" * MB)
    (below / "two").write_bytes(b"x" * MB)
    os.link(below / "two", below / "again")
    (below / "to-one").symlink_to(tmp_path / "one")
    held = bytes_under(str(tmp_path), _later()) - before
    assert 2 * MB <= held < 2 * MB + 100_000


def test_sparse_files_count_what_they_take(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1000 * MB)
    assert bytes_under(str(tmp_path), _later()) < MB


def test_it_ends_in_time(tmp_path: Path) -> None:
    with pytest.raises(OutOfTimeError):
        bytes_under(str(tmp_path), time.monotonic() - 1)


def test_what_is_gone_counts_nothing(tmp_path: Path) -> None:
    assert bytes_under(str(tmp_path / "gone"), _later()) == 0
