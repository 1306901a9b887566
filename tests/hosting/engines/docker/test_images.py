"""Pulling, from a real registry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hosting.engines.errors import GiveUp, TryLater
from tests.hosting.engines.docker.registry import Registry, serve
from tests.hosting.engines.doors import DockerBackdoor, sweep
from tests.hosting.engines.stacks import Stacks, service

pytestmark = pytest.mark.docker


@pytest.fixture
def registry(docker: DockerBackdoor, owner: str) -> Iterator[Registry]:
    """A registry; what was pulled from it is removed again."""
    with serve() as served:
        yield served
        sweep(docker.api, owner)
        for image in docker.api.images(name=f"{served.address}/acme/tiny"):
            docker.api.remove_image(image["Id"], force=True)


@pytest.mark.parametrize("reference", [":1", "@{digest}", ":1@{digest}"])
def test_an_image_is_pulled_once_and_pinned_by_its_digest(
    docker: DockerBackdoor, stacks: Stacks, registry: Registry, reference: str
) -> None:
    image = f"{registry.address}/acme/tiny{reference.format(digest=registry.digest)}"
    stack = stacks.make(service("web", image=image, command=("/hello",), init=False))
    lines: list[str] = []
    pinned = f"{registry.address}/acme/tiny@{registry.digest}"
    assert docker.engine.pull(stack, report=lines.append) == {image: pinned}
    assert lines[0] == f"pulling {image}"
    lines.clear()
    assert docker.engine.pull(stack, report=lines.append) == {image: pinned}
    assert lines == []
    # Docker finds it under the very name that the service has.
    with pytest.raises(GiveUp, match="the service web cannot start"):
        docker.engine.apply(stack)


def test_an_image_that_the_registry_does_not_have_is_named(
    docker: DockerBackdoor, stacks: Stacks, registry: Registry
) -> None:
    for name in ("acme/tiny:2", "acme/nothing:1"):
        image = f"{registry.address}/{name}"
        with pytest.raises(GiveUp, match=f"the image {image} does not exist"):
            docker.engine.pull(stacks.make(service("web", image=image)))


def test_a_registry_that_does_not_answer_is_a_matter_of_time(
    docker: DockerBackdoor, stacks: Stacks
) -> None:
    with pytest.raises(TryLater, match=r"127\.0\.0\.1:1/acme/tiny:1"):
        docker.engine.pull(stacks.make(service("web", image="127.0.0.1:1/acme/tiny:1")))
