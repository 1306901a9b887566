"""That the benchmark of the reconciler measures what it says, and that Berth's part is linear."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.lists.answers import Answers, Multiplied, served
from bench.lists.stacks import project
from hosting.engines.docker import DockerEngine
from hosting.engines.docker.observing import observed_service
from hosting.engines.labels import LABEL_INSTANCE, LABEL_OWNER, LABEL_SERVICE
from hosting.engines.observed import ContainerState

OWNER = "bench"
FIRST = uuid.UUID(int=1)
CONTAINER, NETWORK = "c" * 64, "d" * 64


def _answers() -> Answers:
    """What an engine says of an instance of one container, as far as Berth reads it."""
    name = project(FIRST, OWNER)
    labels = {LABEL_INSTANCE: str(FIRST), LABEL_OWNER: OWNER, LABEL_SERVICE: "web"}
    container = {
        "Id": CONTAINER,
        "Names": [f"/{name}-web"],
        "Image": "redis",
        "State": "running",
        "Status": "Up",
        "Labels": labels,
        "NetworkSettings": {"Networks": {f"{name}-front": {"NetworkID": NETWORK}}},
    }
    network = {
        "Id": NETWORK,
        "Name": f"{name}-front",
        "Labels": labels,
        "Internal": False,
        "IPAM": {"Config": [{"Subnet": "10.208.0.0/28"}]},
    }
    return Answers(
        pk=FIRST,
        owner=OWNER,
        containers=json.dumps([container]),
        networks=json.dumps([network]),
        volumes=json.dumps([{"Name": f"{name}-data", "Labels": labels}]),
        inspected=json.dumps({CONTAINER: {"Id": CONTAINER}}),
        info="{}",
        version=json.dumps({"ApiVersion": "1.41"}),
        ids=(CONTAINER, NETWORK),
    )


def test_the_adapter_reads_as_many_instances_as_the_answers_were_multiplied_to(
    tmp_path: Path,
) -> None:
    pks = [uuid.UUID(int=number) for number in range(10, 15)]
    with served(Multiplied(_answers(), pks), tmp_path / "docker.sock") as endpoint:
        found = DockerEngine.connect(endpoint).observe_all(OWNER)
    assert set(found) == set(map(str, pks))
    for pk, seen in found.items():
        (web,) = seen.services
        assert (web.name, web.state) == ("web", ContainerState.RUNNING)
        assert web.networks == seen.networks == (f"{project(uuid.UUID(pk), OWNER)}-front",)
        assert web.altered == ()
        assert len(seen.volumes) == 1
    assert len({each.services[0].container_id for each in found.values()}) == len(pks)


class AllNetworks(dict[str, str]):
    """The names of a server's networks, which one container must not make anyone walk through."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("all networks were walked through for one container")

    keys = values = items = __iter__  # type: ignore[assignment]


def test_a_container_is_compared_with_its_own_networks_and_not_with_all_there_are() -> None:
    """Otherwise twice the instances would take four times as long."""
    listed: dict[str, Any] = json.loads(_answers().containers)[0]
    stranger = {"NetworkID": "e" * 64}
    listed["NetworkSettings"]["Networks"]["strange"] = stranger
    everywhere = AllNetworks({NETWORK: "front", "e" * 64: "strange"})
    seen = observed_service(listed, frozenset({NETWORK}), everywhere)
    assert seen.alien_networks == ("strange",)
