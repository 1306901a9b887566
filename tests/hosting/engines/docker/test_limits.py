"""Hardening and limits, as the kernel enforces them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from hosting.engines.errors import GiveUp
from hosting.engines.wanted import Limits, Readiness
from tests.hosting.engines.doors import DockerBackdoor
from tests.hosting.engines.stacks import LIMITS, READY, Stacks, service

pytestmark = pytest.mark.docker

SOON = timedelta(seconds=20)
LOOK_INSIDE = """
import os
def denied(path):
    try:
        open(path, "w").close()
    except OSError as error:
        return error.strerror
print([line.split(":")[1].strip() for line in open("/proc/self/status")
       if line.startswith(("CapEff", "CapBnd", "NoNewPrivs"))])
print(denied("/etc/x"), denied("/tmp/x"))
print(os.path.basename(os.readlink("/proc/1/exe")))
"""
FORK_UNTIL_REFUSED = """
import os, signal, time
children = []
try:
    while len(children) < 200:
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
        children.append(child)
except OSError as error:
    print(error.strerror)
for child in children:
    os.kill(child, signal.SIGKILL)
print(len(children))
"""
TAKE_MEMORY = "bytearray(200 * 1024 * 1024)"


def test_inspect_shows_the_limits_and_no_privilege(docker: DockerBackdoor, stacks: Stacks) -> None:
    limits = replace(LIMITS, cpus=Decimal("0.25"), memory_bytes=48 * 1024**2, pids=30)
    stack = stacks.make(service("web", limits=limits, read_only=True, tmpfs=("/tmp:size=1m",)))
    docker.engine.apply(stack)
    shown = docker.container(stack, "web")
    host = shown["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (
        250_000_000,
        48 * 1024**2,
        48 * 1024**2,
        30,
    )
    assert (host["CapDrop"], host["CapAdd"], host["Privileged"]) == (["ALL"], [], False)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert (host["PidMode"], host["UTSMode"], host["IpcMode"]) == ("", "", "private")
    assert [host[each] or [] for each in ("Binds", "Devices", "PortBindings")] == [[], [], []]
    assert shown["NetworkSettings"]["Ports"] in ({}, {"8000/tcp": None})
    assert {mount["Type"] for mount in shown["Mounts"]} == {"volume"}
    assert host["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-size": str(10 * 1024**2), "max-file": "3"},
    }
    look = ("python3", "-c", LOOK_INSIDE)
    inside = docker.engine.run(stack.instance, "web", look, timeout=SOON)
    assert inside.output.splitlines() == [
        "['0000000000000000', '0000000000000000', '1']",
        "Read-only file system None",
        "docker-init",
    ]


def test_a_process_that_takes_too_much_memory_is_killed_and_named(
    docker: DockerBackdoor, stacks: Stacks
) -> None:
    greedy = service("db", command=("python3", "-c", TAKE_MEMORY), readiness=READY)
    stack = stacks.make(greedy, service("web", depends_on=("db",)))
    with pytest.raises(GiveUp, match="db did not become ready: it was killed because it needed"):
        docker.engine.apply(stack)
    seen = docker.engine.observe(stack.instance).service("db")
    assert seen is not None
    assert (seen.oom_killed, seen.exit_code) in ((True, 137), (True, None))


def test_processes_beyond_the_limit_are_refused(docker: DockerBackdoor, stacks: Stacks) -> None:
    stack = stacks.make(service("web", limits=replace(LIMITS, pids=20)))
    docker.engine.apply(stack)
    bomb = ("python3", "-c", FORK_UNTIL_REFUSED)
    said = docker.engine.run(stack.instance, "web", bomb, timeout=SOON)
    reason, count = said.output.splitlines()
    assert reason == "Resource temporarily unavailable"
    assert 10 <= int(count) < 20


def test_a_chatty_service_does_not_fill_the_disk(docker: DockerBackdoor, stacks: Stacks) -> None:
    limits = Limits(Decimal(1), 64 * 1024**2, 50, log_bytes=100_000, log_files=2)
    chatty = "yes 0123456789012345678901234567890123456789 | head -n 20000; touch /tmp/ready"
    talker = service(
        "talker",
        limits=limits,
        command=("sh", "-c", f"{chatty}; echo the end; exec sleep 3600"),
        readiness=Readiness(("test", "-e", "/tmp/ready")),
    )
    stack = stacks.make(talker, service("web", depends_on=("talker",)))
    docker.engine.apply(stack)
    files = Path(docker.container(stack, "talker")["LogPath"]).parent.glob("*-json.log*")
    sizes = [each.stat().st_size for each in files]
    assert len(sizes) == 2
    assert sum(sizes) <= 2 * 110_000
    assert docker.engine.logs(stack.instance, "talker", lines=1) == "the end\n"


def test_no_volume_stays_that_only_the_image_asked_for(
    docker: DockerBackdoor, stacks: Stacks
) -> None:
    stack = stacks.make(service("web"), volume=False)
    docker.engine.apply(stack)
    unnamed = [mount["Name"] for mount in docker.container(stack, "web")["Mounts"]]
    assert unnamed
    docker.engine.remove(stack.instance, with_volumes=False)
    left = {each["Name"] for each in docker.api.volumes()["Volumes"] or []}
    assert not left.intersection(unnamed)
