"""Things that go wrong on a real engine, and what becomes of them."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Timer

import pytest

from hosting.engines.docker import metering
from hosting.engines.docker.client import Client
from hosting.engines.errors import EngineError, GiveUp, TryLater
from hosting.engines.observed import ContainerState
from hosting.engines.wanted import Secret, Stack
from tests.hosting.engines.doors import SOCKET, DockerBackdoor, cli
from tests.hosting.engines.stacks import READY, Stacks, service

pytestmark = pytest.mark.docker

APPLY = (
    "import pickle, sys; from hosting.engines.docker import DockerEngine; "
    "DockerEngine.connect().apply(pickle.load(sys.stdin.buffer))"
)


def running(docker: DockerBackdoor, stack: Stack) -> list[str]:
    seen = docker.engine.observe(stack.instance).services
    return [each.name for each in seen if each.state is ContainerState.RUNNING]


def test_a_service_that_keeps_ending_is_named_with_its_last_words(
    docker: DockerBackdoor, stacks: Stacks
) -> None:
    broken = service(
        "db",
        command=("sh", "-c", "echo cannot log in with $(cat /run/secrets/password); exit 3"),
        secrets=(Secret("password", "hunter2-and-more"),),
        readiness=READY,
    )
    stack = stacks.make(broken, service("web", depends_on=("db",)))
    began = time.monotonic()
    with pytest.raises(GiveUp) as caught:
        docker.engine.apply(stack)
    assert time.monotonic() - began < 8
    assert "the service db did not become ready: it ends with exit code 3" in str(caught.value)
    assert "cannot log in with [secret]" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "web" not in running(docker, stack)  # db may be seen in its next attempt


@pytest.mark.parametrize("blow", [("kill", "db"), ("stop", "--time=1", "db")])
def test_one_that_hands_end_while_it_is_waited_for_is_started_again(
    docker: DockerBackdoor, stacks: Stacks, blow: tuple[str, ...]
) -> None:
    stack = stacks.pair()
    *deed, ended = blow

    def hands(line: str) -> None:
        if line == f"waiting for {ended} to be ready":
            cli(*deed, f"{stack.project}-{ended}")

    with pytest.raises(TryLater, match="db did not become ready: it is exited with exit code"):
        docker.engine.apply(stack, report=hands)
    docker.engine.apply(stack)
    assert sorted(running(docker, stack)) == ["db", "web"]


def test_a_service_that_nothing_waits_for_is_not_waited_for_in_vain(
    docker: DockerBackdoor, stacks: Stacks
) -> None:
    broken = ("sh", "-c", "echo no such table; exit 4")
    stack = stacks.make(service("web", command=broken, readiness=READY))
    docker.engine.apply(stack)

    def look_often() -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            assert not docker.engine.is_ready(stack, "web")
            time.sleep(0.1)

    with pytest.raises(GiveUp, match=r"exit code 4 each time.*no such table"):
        look_often()


def test_a_program_that_does_not_exist_is_named(docker: DockerBackdoor, stacks: Stacks) -> None:
    stack = stacks.make(service("web", command=("no-such-program",), init=False))
    with pytest.raises(GiveUp, match=r"the service web cannot start: .*no-such-program"):
        docker.engine.apply(stack)
    docker.engine.apply(replace(stack, services=(service("web", networks=_same(stack)),)))
    assert running(docker, stack) == ["web"]


def _same(stack: Stack) -> object:
    return stack.services[0].networks


def test_a_command_that_takes_too_long_is_killed(docker: DockerBackdoor, stacks: Stacks) -> None:
    stack = stacks.make(service("web"))
    docker.engine.apply(stack)
    with pytest.raises(TryLater, match=r"sleep took longer than 0\.5 s and was killed"):
        docker.engine.run(stack.instance, "web", ("sleep", "777"), timeout=timedelta(seconds=0.5))
    processes = docker.api.top(f"{stack.project}-web")["Processes"]
    assert not any("777" in process[-1] for process in processes)


def test_a_command_that_does_not_exist_has_an_exit_code(
    docker: DockerBackdoor, stacks: Stacks
) -> None:
    stack = stacks.make(service("web"))
    docker.engine.apply(stack)
    said = docker.engine.run(
        stack.instance, "web", ("no-such-program",), timeout=timedelta(seconds=5)
    )
    assert said.exit_code in (126, 127)
    assert "no-such-program" in said.output


def test_much_output_is_cut_at_the_front(docker: DockerBackdoor, stacks: Stacks) -> None:
    stack = stacks.make(service("web"))
    docker.engine.apply(stack)
    talk = ("sh", "-c", "yes 0123456789 | head -c 12000000; echo the end")
    said = docker.engine.run(stack.instance, "web", talk, timeout=timedelta(seconds=20))
    assert said.exit_code == 0
    assert said.output.endswith("the end\n")
    assert 3_000_000 < len(said.output) < 9_000_000


@pytest.mark.parametrize("seconds", [0.5, 0.8, 1.1])
def test_apply_converges_after_it_was_killed(
    docker: DockerBackdoor, stacks: Stacks, seconds: float
) -> None:
    stack = stacks.pair()
    web = replace(stack.service("web"), secrets=(Secret("password", "hunter2"),))
    stack = replace(stack, services=(stack.service("db"), web))
    killed = subprocess.Popen([sys.executable, "-c", APPLY], stdin=subprocess.PIPE)
    assert killed.stdin is not None
    killed.stdin.write(pickle.dumps(stack))
    killed.stdin.close()
    time.sleep(seconds)
    killed.kill()
    killed.wait()
    # What the dead one had asked for may still be under way on the engine.
    for attempt in range(5):
        try:
            docker.engine.apply(stack)
            break
        except TryLater:
            assert attempt < 4
            time.sleep(0.5)
    assert running(docker, stack) == ["db", "web"]
    read = ("cat", "/run/secrets/password")
    said = docker.engine.run(stack.instance, "web", read, timeout=timedelta(seconds=5))
    assert said.output == "hunter2"


def test_two_at_once_do_not_double_anything(docker: DockerBackdoor, stacks: Stacks) -> None:
    stack = stacks.pair()

    def apply() -> EngineError | None:
        try:
            docker.engine.apply(stack)
        except EngineError as error:
            return error
        return None

    with ThreadPoolExecutor(2) as pool:
        errors = [future.result() for future in [pool.submit(apply), pool.submit(apply)]]
    assert all(error is None or isinstance(error, TryLater) for error in errors), errors
    docker.engine.apply(stack)
    assert running(docker, stack) == ["db", "web"]
    observed = docker.engine.observe(stack.instance)
    assert (len(observed.services), len(observed.networks)) == (2, 1)


def test_a_paused_container_goes_on(docker: DockerBackdoor, stacks: Stacks) -> None:
    stack = stacks.make(service("web"))
    docker.engine.apply(stack)
    docker.api.pause(f"{stack.project}-web")
    docker.engine.apply(stack)
    assert running(docker, stack) == ["web"]


def test_a_stranger_in_the_network_is_thrown_out_and_left_alive(
    docker: DockerBackdoor, stacks: Stacks
) -> None:
    ours, other = stacks.make(service("web")), stacks.make(service("web"))
    docker.engine.apply(ours)
    docker.engine.apply(other)
    docker.api.connect_container_to_network(f"{other.project}-web", ours.networks[0].name)
    docker.engine.remove(ours.instance, with_volumes=True)
    assert docker.engine.observe(ours.instance).is_gone
    assert running(docker, other) == ["web"]


def test_a_death_is_told_at_once(docker: DockerBackdoor, stacks: Stacks) -> None:
    stack = stacks.make(service("web"))
    docker.engine.apply(stack)
    events = docker.engine.events(stack.owner)
    killed_at = datetime.now(UTC)
    timer = Timer(0.2, lambda: docker.api.kill(f"{stack.project}-web"))
    timer.start()
    event = next(event for event in events if event.action == "die")
    told_after = datetime.now(UTC) - killed_at
    timer.join()
    assert (event.instance, event.service) == (stack.instance, "web")
    assert told_after < timedelta(seconds=2)
    seen = docker.engine.observe(stack.instance).service("web")
    assert seen is not None
    assert (seen.state, seen.exit_code, seen.oom_killed) == (ContainerState.EXITED, 137, False)


def test_the_kernel_and_the_engine_count_the_same(docker: DockerBackdoor, stacks: Stacks) -> None:
    stack = stacks.make(service("web"))
    docker.engine.apply(stack)
    (usage,) = docker.engine.sample((stack.instance,))[stack.instance].usages
    client = Client(SOCKET, tls=None, timeout_seconds=10)
    counters = metering.stats_counters(client, docker.container(stack, "web")["Id"])
    client.close()
    assert counters is not None
    assert counters.cpu_seconds == pytest.approx(usage.cpu_seconds, abs=0.2)
    assert counters.memory_bytes == pytest.approx(usage.memory_bytes, rel=0.5)
    assert counters.pids == usage.pids
    assert counters.network_received_bytes >= usage.network_received_bytes
