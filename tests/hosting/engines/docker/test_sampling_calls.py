"""What a round over a server's containers costs its engine: one call, whatever there is to see."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import requests

from hosting.engines.docker import DockerEngine
from hosting.engines.docker.client import Client
from tests.hosting.engines.doors import SOCKET, DockerBackdoor
from tests.hosting.engines.stacks import Stacks, service


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client(SOCKET, tls=None, timeout_seconds=10)
    yield client
    client.close()


def test_a_round_is_one_call_however_many_containers_and_however_they_stand(
    docker: DockerBackdoor, stacks: Stacks, client: Client
) -> None:
    calls: list[str] = []

    def count(response: requests.Response, *args: object, **kwargs: object) -> None:
        calls.append(str(response.request.path_url))

    one = stacks.make(service("web"), volume=False)
    several = stacks.make(*(service(f"s{number}") for number in range(4)), volume=False)
    for each in (one, several):
        docker.engine.apply(each)
    engine = DockerEngine(client)
    client.api.hooks["response"].append(count)
    engine.sample((one.instance,))
    engine.sample((one.instance, several.instance))
    killed = docker.container(several, "s1")["Id"]
    subprocess.run(["docker", "kill", killed], check=True, capture_output=True)
    docker.stop_container(several, "s2")
    docker.remove_container(several, "s3")
    shown = engine.sample((one.instance, several.instance))[several.instance]
    assert len(shown.standings) == 3
    assert len(shown.usages) == 1
    assert len(calls) == 3
    assert all("/containers/json" in each for each in calls)
