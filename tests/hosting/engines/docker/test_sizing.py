"""Adding up what volumes hold, file by file, within a time; and by an engine's own count."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hosting.engines.docker import DockerEngine
from hosting.engines.docker.client import Client
from hosting.engines.docker.sizing import Sizing, Walk
from hosting.engines.wanted import Stack
from tests.hosting.engines.docker.tls import tls_engine
from tests.hosting.engines.doors import SOCKET, DockerBackdoor
from tests.hosting.engines.stacks import Stacks, service

MB = 1_000_000
FILES = 100


def _held(folder: Path) -> int:
    walk = Walk([str(folder)])
    assert walk.go_on(until=time.monotonic() + 60)
    return walk.total


def test_files_of_all_folders_count_and_links_once(tmp_path: Path) -> None:
    before = _held(tmp_path)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "one").write_bytes(b"x" * MB)
    (below / "two").write_bytes(b"x" * MB)
    os.link(below / "two", below / "again")
    (below / "to-one").symlink_to(tmp_path / "one")
    held = _held(tmp_path) - before
    assert 2 * MB <= held < 2 * MB + 100_000


def test_sparse_files_count_what_they_take(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1000 * MB)
    assert _held(tmp_path) < MB


def test_it_ends_in_time_and_goes_on_from_there(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / str(number)).write_bytes(b"x" * MB)
    walk, steps = Walk([str(tmp_path)]), 0
    while not walk.go_on(until=time.monotonic() - 1):
        steps += 1
    assert steps == 5
    assert walk.total == _held(tmp_path)


def test_what_is_gone_counts_nothing_and_the_rest_of_its_folder_does(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / str(number)).write_bytes(b"x" * MB)
    with os.scandir(tmp_path) as entries:
        order = [Path(each.path) for each in entries]
    walk = Walk([str(tmp_path)])
    assert not walk.go_on(until=time.monotonic() - 1)
    order[1].unlink()
    assert walk.go_on(until=time.monotonic() + 60)
    assert 3 * MB <= walk.total < 4 * MB


def test_a_volume_that_is_not_there_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _held(tmp_path / "gone")


def _filled(docker: DockerBackdoor, stack: Stack, files: int) -> None:
    docker.engine.prepare(stack)
    place = docker.api.inspect_volume(stack.volumes[0].name)["Mountpoint"]
    for number in range(files):
        (Path(place) / f"file-{number}").write_bytes(b"x" * 5000)


@pytest.fixture
def pair(docker: DockerBackdoor, stacks: Stacks) -> tuple[str, str]:
    """Two instances: one of many files, and one of a single one."""
    large, small = stacks.make(service("web")), stacks.make(service("web"))
    _filled(docker, large, FILES)
    _filled(docker, small, 1)
    return large.instance, small.instance


@pytest.fixture
def local() -> Iterator[Client]:
    client = Client(SOCKET, tls=None, timeout_seconds=20)
    yield client
    client.close()


@pytest.mark.docker
def test_one_too_large_for_its_time_holds_up_no_other_and_is_measured_in_the_end(
    pair: tuple[str, str], local: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(step=0.001)  # every file takes a millisecond
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    measured = Sizing(local)
    rounds = [measured.read(pair, timedelta(seconds=0.06)) for _ in range(6)]
    large, small = pair
    assert [small in each for each in rounds] == [True] * 6
    assert large not in rounds[0]
    found = next(each[large] for each in rounds if large in each)
    monkeypatch.undo()
    assert found == Sizing(local).read(pair, timedelta(seconds=60))[large]


@pytest.mark.docker
def test_one_that_cannot_be_read_holds_up_no_other(
    pair: tuple[str, str],
    local: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    scandir, broken = os.scandir, list[str]()

    def fail_once(folder: str) -> object:
        if not broken:
            broken.append(folder)
            raise OSError(5, "Input/output error")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", fail_once)
    large, small = pair
    assert set(Sizing(local).read(pair, timedelta(seconds=60))) == {small}
    assert f"the volumes of {large} could not be measured" in caplog.text


@pytest.mark.docker
def test_where_the_engines_files_do_not_exist_it_is_asked(
    pair: tuple[str, str], local: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unseen(folder: str) -> None:
        raise FileNotFoundError(folder)  # as in a container that has the engine's socket alone

    monkeypatch.setattr(os, "scandir", unseen)
    sizes = Sizing(local).read(pair, timedelta(seconds=60))
    large, small = pair
    assert sizes[large] >= FILES * 5000
    assert 5000 <= sizes[small] < sizes[large]


@pytest.mark.docker
def test_elsewhere_the_engine_is_asked(pair: tuple[str, str], tmp_path: Path) -> None:
    with tls_engine(tmp_path) as (endpoint, files):
        engine = DockerEngine.connect(endpoint, tls=files)
        sizes = engine.volume_sizes(pair, within=timedelta(seconds=60))
        engine.close()
    large, small = pair
    assert sizes[large] >= FILES * 5000
    assert 5000 <= sizes[small] < sizes[large]
