"""What hands and accidents do to an app on a real engine is put right, and its data stays."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hosting.engines.base import Engine
from hosting.engines.labels import LABEL_INSTANCE, LABEL_OWNER
from hosting.engines.observed import Health
from hosting.flows.watching import reconcile
from hosting.models import Drift, Incident, Instance, Operation, Server, Stray
from hosting.services import instances, strays
from tenants.services.actors import Actor
from tests.conftest import IMAGES, OWNER
from tests.hosting.rounds import one_round, pass_time
from tests.journeys.inside import docker
from tests.journeys.portal import Edge, wait_until, web

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
ALIEN = (f"{IMAGES}/redis:7", "sleep", "900")


@dataclass(frozen=True)
class Hands:
    """A person at the server's own command line."""

    instance: Instance

    def name(self, part: str) -> str:
        return f"{self.instance.project}-{part}"

    def inspect(self, service: str) -> Any:
        return json.loads(docker("inspect", self.name(service)))[0]

    def remove(self) -> None:
        docker("rm", "--force", self.name("web"))

    def stop(self) -> None:
        docker("stop", "--time", "1", self.name("web"))

    def kill(self) -> None:
        docker("kill", self.name("redis"))

    def rename(self) -> None:
        docker("rename", self.name("web"), self.name("mine"))

    def pause(self) -> None:
        docker("pause", self.name("web"))

    def disconnect(self) -> None:
        docker("network", "disconnect", self.name("backend"), self.name("web"))

    def remove_network(self) -> None:
        for service in ("web", "db", "redis"):
            docker("network", "disconnect", "--force", self.name("backend"), self.name(service))
        docker("network", "rm", self.name("backend"))

    def alter_limits(self) -> None:
        docker("update", "--memory", "2g", "--memory-swap", "2g", self.name("web"))
        assert self.inspect("web")["HostConfig"]["Memory"] == 2 * 1024**3

    def add_alien(self) -> None:
        labels = (f"{LABEL_OWNER}={OWNER}", f"{LABEL_INSTANCE}={self.instance.pk}")
        flags = [each for label in labels for each in ("--label", label)]
        docker("run", "--detach", "--network", "none", "--name", self.name("alien"), *flags, *ALIEN)

    def hang(self) -> None:
        """Its process stands still, so that it lives and answers nothing."""
        shown = docker("top", self.name("web"), "-o", "pid,args").splitlines()[1:]
        for pid, args in (line.split(maxsplit=1) for line in shown):
            if "python" in args:
                os.kill(int(pid), signal.SIGSTOP)
        wait_until(
            lambda: self.inspect("web")["State"]["Health"]["Status"] == "unhealthy",
            seconds=120,
            what="the engine notices that it is not healthy",
        )


DEEDS: Mapping[str, tuple[Callable[[Hands], None], set[str]]] = {
    "removed": (Hands.remove, {"missing"}),
    "stopped": (Hands.stop, {"stopped"}),
    "killed": (Hands.kill, {"stopped"}),
    "renamed": (Hands.rename, {"changed"}),
    "paused": (Hands.pause, {"paused"}),
    "cut off": (Hands.disconnect, {"disconnected"}),
    "its network removed": (Hands.remove_network, {"network_missing", "disconnected"}),
    "its limits altered": (Hands.alter_limits, {"changed"}),
    "joined by a stranger": (Hands.add_alien, {"surplus"}),
    "hanging": (Hands.hang, {"unhealthy"}),
}


@pytest.fixture
def book(running: Order, edge: Edge) -> Instance:
    """A guestbook that somebody has signed."""
    instance = running("book")
    with web(edge.port, instance) as browser:
        assert browser.post("/entries", json={"text": "Hello"}).status_code == 201
    return instance


@pytest.fixture
def left_over(docker_server: Server) -> Iterator[None]:
    """Nothing that a test left lying about under no instance's label stays."""
    yield
    label = f"label={LABEL_OWNER}={OWNER}"
    for kind, listing in (
        (("rm", "--force"), ("ps", "-aq")),
        (("network", "rm"), ("network", "ls", "-q")),
        (("volume", "rm"), ("volume", "ls", "-q")),
    ):
        for each in docker(*listing, "--filter", label).split():
            docker(*kind, each)


def test_whatever_is_done_to_an_instance_is_put_right_within_two_rounds(
    book: Instance,
    edge: Edge,
    docker_server: Server,
    docker_engine: Engine,
    work_off: WorkOff,
) -> None:
    hands = Hands(book)
    volumes = docker_engine.observe(str(book.pk)).volumes
    limits = _limits(hands)
    for deed, (do, kinds) in DEEDS.items():
        _wait_until_healthy(docker_engine, book)
        pass_time(timedelta(minutes=45))  # every deed is a first one
        assert one_round(docker_server) == reconcile.Round(instances=1, drifted=0), deed
        do(hands)
        assert one_round(docker_server) == reconcile.Round(instances=1, drifted=1), deed
        found = Drift.objects.filter(settled_at=None)
        seen = set(found.values_list("kind", flat=True))
        assert kinds <= seen, f"{deed}: {[each.found for each in found]}"
        repair = _work_to_its_end(book, work_off)
        assert (repair.kind, repair.state) == ("repair", "succeeded"), f"{deed}: {repair.reason}"
        one_round(docker_server)
        left = [each.found for each in Drift.objects.filter(settled_at=None)]
        assert not left, f"{deed}: {left}"
        _check_whole(hands, docker_engine, limits, deed)
        assert docker_engine.observe(str(book.pk)).volumes == volumes, deed
        entries = edge.get(book, "/entries").json()["entries"]
        assert [each["text"] for each in entries] == ["Hello"], deed
        assert all(each["verified"] for each in entries), deed
    assert not Incident.objects.filter(closed_at=None).exists()
    assert set(book.operations.exclude(kind="provision").values_list("kind", flat=True)) == {
        "repair"
    }


def _wait_until_healthy(engine: Engine, instance: Instance) -> None:
    wait_until(
        lambda: (
            {each.health for each in engine.observe(str(instance.pk)).services} == {Health.HEALTHY}
        ),
        seconds=120,
        what="the engine finds everything healthy",
    )


def _work_to_its_end(instance: Instance, work_off: WorkOff) -> Operation:
    """As workers do: what the machine is too busy for now is tried again."""
    for _ in range(5):
        operation = work_off(instance)
        if not operation.is_active:
            break
        Operation.objects.filter(pk=operation.pk).update(run_after=timezone.now())
    return operation


def _limits(hands: Hands) -> dict[str, int]:
    return {
        service: hands.inspect(service)["HostConfig"]["Memory"]
        for service in ("web", "db", "redis")
    }


def _check_whole(hands: Hands, engine: Engine, limits: dict[str, int], deed: str) -> None:
    """Exactly the stack's containers, under their names and within their limits."""
    seen = engine.observe(str(hands.instance.pk))
    names = {each.container_name: (each.state.value, each.altered) for each in seen.services}
    wanted = {hands.name(service): ("running", ()) for service in limits}
    assert names == wanted, deed
    assert set(seen.networks) == {hands.name("front"), hands.name("backend")}, deed
    assert _limits(hands) == limits, deed


def test_what_runs_of_a_stopped_instance_is_stopped_again_and_a_lost_volume_is_not_replaced(
    book: Instance,
    docker_server: Server,
    docker_engine: Engine,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    hands = Hands(book)
    instances.stop(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    docker("start", hands.name("redis"))
    one_round(docker_server)
    assert (again := work_off(book)).kind == "stop"
    assert again.state == Operation.State.SUCCEEDED
    assert not hands.inspect("redis")["State"]["Running"]
    for service in ("web", "db", "redis"):
        docker("rm", hands.name(service))
    docker("volume", "rm", hands.name("data"))
    one_round(docker_server)
    assert Incident.objects.get(closed_at=None).instance == book
    instances.start(instance=book, actor=actor)
    started = work_off(book)
    assert started.state == Operation.State.FAILED
    assert "has to be restored" in started.reason
    assert hands.name("data") not in docker_engine.observe(str(book.pk)).volumes


@pytest.mark.usefixtures("left_over")
def test_what_belongs_to_no_instance_is_cut_off_in_the_second_round_and_kept_until_staff_look(
    book: Instance, docker_server: Server, docker_engine: Engine, actor: Actor
) -> None:
    owner = f"{LABEL_OWNER}={OWNER}"
    docker("network", "create", "--label", owner, "--subnet", "10.231.201.0/28", "stray-net")
    docker("volume", "create", "--label", owner, "stray-data")
    flags = ("--detach", "--label", owner, "--network", "stray-net", "--restart", "always")
    mount = ("--volume", "stray-data:/data", "--stop-timeout", "1")
    alien = docker("run", *flags, *mount, "--name", "stray", *ALIEN).strip()
    one_round(docker_server)
    assert _shown(alien)["State"]["Running"]
    for _ in range(2):
        one_round(docker_server)
        shown = _shown(alien)
        assert not shown["State"]["Running"]
        assert not shown["NetworkSettings"]["Networks"]
        assert shown["HostConfig"]["RestartPolicy"]["Name"] == "no"
    noted = {(each.kind, each.name, each.state) for each in Stray.objects.all()}
    assert noted == {
        ("container", "stray", "quarantined"),
        ("network", "stray-net", "found"),
        ("volume", "stray-data", "found"),
    }
    assert "stray-data" in docker("volume", "ls", "-q").split()
    assert {each.state.value for each in docker_engine.observe(str(book.pk)).services} == {
        "running"
    }
    for stray in Stray.objects.all():
        strays.request_removal(stray=stray, confirmation=stray.name, actor=actor)
    for _ in range(2):  # the volume is free once its container is gone
        one_round(docker_server)
    assert set(Stray.objects.values_list("state", flat=True)) == {"removed"}
    assert "stray-data" not in docker("volume", "ls", "-q").split()
    assert not Incident.objects.filter(closed_at=None).exists()


def _shown(container: str) -> Any:
    return json.loads(docker("inspect", container))[0]
