"""Secrets: files in the container, and nowhere else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from hosting.engines.observed import RunResult
from hosting.engines.wanted import Secret, Stack
from tests.hosting.engines.doors import DockerBackdoor
from tests.hosting.engines.stacks import Stacks, service

pytestmark = pytest.mark.docker

SHOW = (
    "sh",
    "-c",
    "cat /run/secrets/password; stat -c ' %a %u %n' /run/secrets /run/secrets/password; "
    "(echo x > /run/secrets/password) 2>&1; exit 0",
)


def with_secret(stacks: Stacks, value: str, *, read_only: bool) -> Stack:
    web = service(
        "web",
        secrets=(Secret("password", value),),
        read_only=read_only,
        tmpfs=("/tmp", "/run") if read_only else (),
        user="1000:1000",
    )
    return stacks.make(web)


def rotated(stack: Stack, value: str) -> Stack:
    web = replace(stack.service("web"), secrets=(Secret("password", value),))
    return replace(stack, services=(web,))


def show(docker: DockerBackdoor, stack: Stack) -> RunResult:
    return docker.engine.run(stack.instance, "web", SHOW, timeout=timedelta(seconds=10))


@pytest.mark.parametrize("read_only", [False, True])
def test_a_secret_is_a_file_that_survives_a_restart_and_no_rotation(
    docker: DockerBackdoor, stacks: Stacks, read_only: bool
) -> None:
    stack = with_secret(stacks, "first-value", read_only=read_only)
    docker.engine.apply(stack)
    said = show(docker, stack).output
    assert said.startswith("first-value 755 0 /run/secrets\n 444 0 /run/secrets/password\n")
    assert "Permission denied" in said
    assert "first-value" not in json.dumps(docker.container(stack, "web"))

    docker.api.restart(f"{stack.project}-web", timeout=1)
    assert show(docker, stack).output == said

    docker.engine.apply(rotated(stack, "second-value"))
    assert show(docker, stack).output.startswith("second-value 755")


def test_the_volume_of_secrets_goes_with_its_service(
    docker: DockerBackdoor, stacks: Stacks
) -> None:
    stack = with_secret(stacks, "first-value", read_only=True)
    name = f"{stack.project}-web-secrets"
    docker.engine.apply(stack)
    assert name in docker.engine.observe(stack.instance).volumes
    docker.engine.apply(replace(stack, services=(replace(stack.service("web"), secrets=()),)))
    assert name not in docker.engine.observe(stack.instance).volumes
    docker.engine.apply(stack)
    docker.engine.remove(stack.instance, with_volumes=False)
    assert docker.engine.observe(stack.instance).volumes == (stack.volumes[0].name,)
