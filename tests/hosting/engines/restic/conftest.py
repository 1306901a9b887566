"""Repositories to test, on a real restic and on each kind of real target."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosting.engines.restic import Repository, Target, open_repository
from tests.hosting.engines.restic.servers import Place, S3Server, s3_server, sftp_server

PASSWORD = "correct-horse-battery-Xy7"


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3") / "objects") as server:
        yield server


@pytest.fixture(scope="session")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with sftp_server(tmp_path_factory.mktemp("sftp")) as place:
        yield place


@pytest.fixture(params=["local", "s3", "sftp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each kind of target in turn."""
    if request.param == "local":
        return Place(Target(str(tmp_path)), tmp_path)
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        return Place(server.target(), server.directory / "backups" / "berth")
    remote: Place = request.getfixturevalue("sftp")
    return remote


@pytest.fixture
def target(place: Place) -> Target:
    return place.target


@pytest.fixture(scope="session")
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty repository: making one takes restic two seconds."""
    directory = tmp_path_factory.mktemp("made")
    assert open_repository(Target(str(directory)), "empty", PASSWORD).ensure()
    return directory / "empty"


@pytest.fixture
def repository(_made_once: Path, tmp_path: Path) -> Repository:
    """An empty repository in a local directory, at ``directory``."""
    shutil.copytree(_made_once, tmp_path / "acme")
    return open_repository(Target(str(tmp_path)), "acme", PASSWORD)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the files of ``repository`` are."""
    return tmp_path / "acme"
