"""What a person types on the server, and what only Docker shows of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from docker.errors import NotFound

from hosting.engines.docker.client import Client
from hosting.engines.docker.limits import limits_label
from hosting.engines.errors import GiveUp
from hosting.engines.labels import LABEL_LIMITS, LABEL_OWNER
from hosting.engines.observed import ContainerState, ObjectKind, Observed
from hosting.engines.wanted import Stack
from tests.hosting.engines.doors import SOCKET, DockerBackdoor, cli
from tests.hosting.engines.looking import all_run, ids, seen
from tests.hosting.engines.stacks import IMAGE, LIMITS, Stacks, service

pytestmark = pytest.mark.docker

MIB = 1024**2


@pytest.fixture
def foreign(docker: DockerBackdoor, owner: str) -> Iterator[str]:
    """The name of a container without any label of ours, removed at the end."""
    name = f"{owner}-foreign"
    yield name
    with suppress(NotFound):
        docker.api.remove_container(name, force=True, v=True)


@pytest.mark.parametrize(
    "typed",
    [
        ("--memory=128m", "--memory-swap=256m"),
        ("--memory=32m",),
        ("--memory-swap=-1",),
        ("--cpus=2",),
        ("--pids-limit=7",),
        ("--pids-limit=-1",),
        ("--memory-swap=-1", "--cpus=0.1", "--pids-limit=-1"),
    ],
)
def test_an_updated_limit_is_seen_and_set_back_in_place(
    docker: DockerBackdoor, stacks: Stacks, typed: tuple[str, ...]
) -> None:
    stack = stacks.make(service("web"), volume=False)
    docker.engine.apply(stack)
    before = docker.container(stack, "web")
    assert before["Config"]["Labels"][LABEL_LIMITS] == limits_label(LIMITS)
    cli("update", *typed, f"{stack.project}-web")
    assert seen(docker.engine, stack, "web").altered == ("limits",)
    docker.engine.apply(stack)
    assert seen(docker.engine, stack, "web").altered == ()
    after = docker.container(stack, "web")
    names = ("NanoCpus", "Memory", "MemorySwap", "PidsLimit", "RestartPolicy")
    assert [after["HostConfig"][name] for name in names] == [
        500_000_000,
        64 * MIB,
        64 * MIB,
        50,
        {"Name": "unless-stopped", "MaximumRetryCount": 0},
    ]
    assert after["State"]["StartedAt"] == before["State"]["StartedAt"]


@pytest.mark.parametrize("policy", ["no", "always", "on-failure:3"])
def test_an_updated_restart_policy_is_seen_and_set_back(
    docker: DockerBackdoor, stacks: Stacks, policy: str
) -> None:
    stack = stacks.make(service("web"), volume=False)
    docker.engine.apply(stack)
    cli("update", f"--restart={policy}", f"{stack.project}-web")
    assert seen(docker.engine, stack, "web").altered == ("restart policy",)
    docker.engine.apply(stack)
    assert docker.container(stack, "web")["HostConfig"]["RestartPolicy"] == {
        "Name": "unless-stopped",
        "MaximumRetryCount": 0,
    }


def test_this_engine_can_enforce_every_limit() -> None:
    """Else the tests of altered limits would prove nothing here."""
    client = Client(SOCKET, tls=None, timeout_seconds=10)
    assert client.unenforced == frozenset()
    client.close()


def test_the_log_of_every_container_is_limited(docker: DockerBackdoor, stacks: Stacks) -> None:
    stack = stacks.pair()
    docker.engine.apply(stack)
    logs = [docker.container(stack, name)["HostConfig"]["LogConfig"] for name in ("db", "web")]
    limited = {"max-size": str(LIMITS.log_bytes), "max-file": str(LIMITS.log_files)}
    assert logs == [{"Type": "json-file", "Config": limited}] * 2


def test_a_foreign_container_in_the_way_is_named_and_left_alone(
    docker: DockerBackdoor, stacks: Stacks, foreign: str
) -> None:
    stack = stacks.make(service("web"), volume=False)
    docker.engine.apply(stack)
    before = ids(docker.engine, stack)
    cli("rename", f"{stack.project}-web", f"{stack.project}-mine")
    cli("run", "--detach", f"--name={foreign}", "--init", IMAGE, "sleep", "3600")
    cli("rename", foreign, f"{stack.project}-web")
    lines: list[str] = []
    with pytest.raises(GiveUp, match=f"the container name {stack.project}-web, which is held"):
        docker.engine.apply(stack, report=lines.append)
    assert docker.api.inspect_container(f"{stack.project}-web")["State"]["Running"]
    cli("rename", f"{stack.project}-web", foreign)
    docker.engine.apply(stack)
    assert ids(docker.engine, stack) == before
    assert all_run(docker.engine, stack)


def test_a_disconnected_container_is_made_anew_in_its_network(
    docker: DockerBackdoor, stacks: Stacks
) -> None:
    stack = stacks.make(service("web"))
    network = stack.networks[0].name
    docker.engine.apply(stack)
    cli("network", "disconnect", network, f"{stack.project}-web")
    assert seen(docker.engine, stack, "web").networks == ()
    docker.engine.apply(stack)
    assert seen(docker.engine, stack, "web").networks == (network,)


@pytest.mark.parametrize("is_running", [True, False])
def test_a_container_leaves_the_engines_own_bridge(
    docker: DockerBackdoor, stacks: Stacks, is_running: bool
) -> None:
    """There it would meet whatever else runs on the server."""
    stack = stacks.make(service("web"), volume=False)
    docker.engine.apply(stack)
    before = docker.container(stack, "web")
    if not is_running:
        docker.engine.stop(stack)
    cli("network", "connect", "bridge", f"{stack.project}-web")
    for shown in (docker.engine.observe(stack.instance), listed(docker, stack)):
        assert [each.altered for each in shown.services] == [("networks",)]
    docker.engine.apply(stack)
    after = docker.container(stack, "web")
    assert list(after["NetworkSettings"]["Networks"]) == [stack.networks[0].name]
    assert after["Id"] == before["Id"]
    assert (after["State"]["StartedAt"] == before["State"]["StartedAt"]) is is_running


def listed(docker: DockerBackdoor, stack: Stack) -> Observed:
    return docker.engine.observe_all(stack.owner)[stack.instance]


def test_a_service_without_a_network_is_in_no_strange_one(
    docker: DockerBackdoor, stacks: Stacks
) -> None:
    bare = stacks.make(volume=False)
    stack = replace(bare, services=(service("web"),))
    docker.engine.apply(stack)
    (web,) = listed(docker, stack).services
    assert (web.networks, web.alien_networks, web.altered) == ((), (), ())
    lines: list[str] = []
    docker.engine.apply(stack, report=lines.append)
    assert lines == []


def test_restarts_by_the_engine_are_counted(docker: DockerBackdoor, stacks: Stacks) -> None:
    ends_once = ("sh", "-c", "test -e /tmp/was || { touch /tmp/was; exit 3; }; exec sleep 3600")
    stack = stacks.make(service("web", command=ends_once), volume=False)
    docker.engine.apply(stack)
    events = docker.engine.events(stack.owner)
    while seen(docker.engine, stack, "web").restarts == 0:
        next(events)
    found = seen(docker.engine, stack, "web")
    assert (found.restarts, found.oom_killed) == (1, False)
    docker.engine.restart(stack, "web")
    assert seen(docker.engine, stack, "web").restarts == 0


def test_restarting_keeps_the_container_and_wakes_a_paused_one(
    docker: DockerBackdoor, stacks: Stacks
) -> None:
    stubborn = ("sh", "-c", "trap '' TERM; while :; do sleep 0.2; done")  # ends only by force
    stack = stacks.make(service("web", command=stubborn), volume=False)
    docker.engine.apply(stack)
    before = docker.container(stack, "web")
    cli("pause", f"{stack.project}-web")
    docker.engine.restart(stack, "web")
    after = docker.container(stack, "web")
    assert after["Id"] == before["Id"]
    assert after["State"]["Status"] == "running"
    assert after["State"]["StartedAt"] > before["State"]["StartedAt"]


def test_a_container_that_was_never_started_is_not_restarted(
    docker: DockerBackdoor, stacks: Stacks
) -> None:
    """It may lack its secrets: only ``apply`` makes it whole."""
    stack = stacks.make(service("web"), volume=False)

    def stop_before_the_start(line: str) -> None:
        if line == "starting web":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        docker.engine.apply(stack, report=stop_before_the_start)
    assert seen(docker.engine, stack, "web").state is ContainerState.CREATED
    with pytest.raises(GiveUp, match="the service web has no container on the server"):
        docker.engine.restart(stack, "web")


def alien(docker: DockerBackdoor, owner: str, *options: str) -> str:
    """A running container with our labels and a made-up instance that has spoken; its id."""
    name = f"{owner}-alien"
    labels = [f"--label={LABEL_OWNER}={owner}", "--label=berth.instance=i-made-up"]
    said = ("sh", "-c", "echo I was here; echo kept > /kept/file; exec sleep 3600")
    how = ("--detach", "--init", "--user=0", f"--name={name}")
    cli("run", *how, *labels, *options, IMAGE, *said)
    end = time.monotonic() + 20
    while not docker.api.logs(name):
        assert time.monotonic() < end
        time.sleep(0.05)
    return str(docker.api.inspect_container(name)["Id"])


def test_quarantine_keeps_logs_and_volumes(
    docker: DockerBackdoor, stacks: Stacks, owner: str
) -> None:
    volume = f"{owner}-kept"
    docker.api.create_volume(volume, labels={LABEL_OWNER: owner})
    options = ("--restart=always", f"--volume={volume}:/kept")
    container = alien(docker, owner, *options)
    docker.engine.quarantine(owner, container)
    shown = docker.api.inspect_container(container)
    assert (shown["State"]["Status"], shown["HostConfig"]["RestartPolicy"]["Name"]) == (
        "exited",
        "no",
    )
    assert shown["NetworkSettings"]["Networks"] == {}
    assert docker.api.logs(container) == b"I was here\n"
    # Neither do its volumes go when a person has it removed after the look.
    docker.engine.remove_object(owner, ObjectKind.CONTAINER, container)
    assert docker.engine.observe_all(owner)[""].volumes == (volume,)


def test_a_container_that_would_vanish_is_paused_instead(
    docker: DockerBackdoor, owner: str
) -> None:
    container = alien(docker, owner, "--rm", "--volume=/kept")
    lines: list[str] = []
    for _ in range(2):
        docker.engine.quarantine(owner, container, report=lines.append)
    assert lines == [f"disconnecting {owner}-alien from bridge", f"pausing {owner}-alien"]
    shown = docker.api.inspect_container(container)
    assert (shown["State"]["Status"], shown["NetworkSettings"]["Networks"]) == ("paused", {})


@pytest.mark.parametrize("network", ["host", "none"])
def test_quarantine_stops_what_cannot_be_disconnected(
    docker: DockerBackdoor, owner: str, network: str
) -> None:
    container = alien(docker, owner, f"--network={network}", "--volume=/kept")
    docker.api.pause(container)
    docker.engine.quarantine(owner, container)
    assert docker.api.inspect_container(container)["State"]["Status"] == "exited"


def test_quarantine_reaches_a_container_that_restarts_over_and_over(
    docker: DockerBackdoor, owner: str
) -> None:
    name = f"{owner}-alien"
    label = f"--label={LABEL_OWNER}={owner}"
    cli("run", "--detach", f"--name={name}", label, "--restart=always", IMAGE, "false")
    container = str(docker.api.inspect_container(name)["Id"])
    docker.engine.quarantine(owner, container)
    shown = docker.api.inspect_container(container)
    assert (shown["State"]["Status"], shown["State"]["Restarting"]) == ("exited", False)


def test_the_beginning_of_an_id_names_nothing(docker: DockerBackdoor, owner: str) -> None:
    container = alien(docker, owner, "--volume=/kept")
    docker.engine.remove_object(owner, ObjectKind.CONTAINER, container[:12])
    docker.engine.quarantine(owner, container[:12])
    assert docker.api.inspect_container(container)["State"]["Status"] == "running"
