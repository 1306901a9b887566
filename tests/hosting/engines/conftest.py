"""Engines to test, and stacks for them. The Docker part leaves nothing behind, failed or not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from docker import APIClient

from hosting.engines.base import Engine
from tests.hosting.engines.doors import SOCKET, Backdoor, DockerBackdoor, MemoryBackdoor, sweep
from tests.hosting.engines.stacks import IMAGE, OTHER_IMAGE, Stacks, Subnets


@pytest.fixture(scope="session")
def docker_api() -> Iterator[APIClient]:
    """docker-py itself, to look at the engine from the side."""
    api = APIClient(base_url=SOCKET, version="auto", timeout=30)
    yield api
    api.close()


@pytest.fixture
def owner() -> str:
    """An installation of Berth that exists for one test."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def subnets() -> Subnets:
    return Subnets()


@pytest.fixture
def stacks(owner: str, subnets: Subnets) -> Stacks:
    return Stacks(owner=owner, subnets=subnets)


@pytest.fixture
def docker(docker_api: APIClient, owner: str) -> Iterator[DockerBackdoor]:
    """The real engine; what the test leaves on it is removed."""
    for image in (IMAGE, OTHER_IMAGE):
        assert docker_api.images(name=image), f"{image} is not there: run make images"
    door = DockerBackdoor(docker_api)
    try:
        yield door
    finally:
        door.engine.close()
        sweep(docker_api, owner)


@pytest.fixture(params=["memory", pytest.param("docker", marks=pytest.mark.docker)])
def backdoor(request: pytest.FixtureRequest) -> Backdoor:
    """Each engine in turn."""
    if request.param == "memory":
        return MemoryBackdoor()
    door: DockerBackdoor = request.getfixturevalue("docker")
    return door


@pytest.fixture
def engine(backdoor: Backdoor) -> Engine:
    return backdoor.engine
