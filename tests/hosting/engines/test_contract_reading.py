"""What every engine tells, tried on each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from hosting.engines.base import Engine
from hosting.engines.errors import EngineUnavailable, GiveUp, TryLater
from hosting.engines.observed import ObjectKind, Reading
from tests.hosting.engines.doors import Backdoor
from tests.hosting.engines.looking import until_logged
from tests.hosting.engines.stacks import Stacks, service

SECOND = timedelta(seconds=1)


def test_capacity_says_what_the_server_has(engine: Engine) -> None:
    capacity = engine.capacity()
    assert capacity.cpus >= 1
    assert capacity.memory_bytes > 256 * 1024**2
    assert capacity.version
    assert capacity.disk_free_bytes is not None
    assert capacity.disk_total_bytes is not None
    assert 0 < capacity.disk_free_bytes <= capacity.disk_total_bytes


def test_pull_keeps_the_names_of_images_that_were_built_here(
    engine: Engine, stacks: Stacks
) -> None:
    stack = stacks.pair()
    assert engine.pull(stack) == {image: image for image in stack.images}


def test_is_ready_runs_the_command_now(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.pair()
    assert not engine.is_ready(stack, "db")
    engine.apply(stack)
    assert engine.is_ready(stack, "db")
    assert engine.is_ready(stack, "web")
    engine.stop(stack)
    assert not engine.is_ready(stack, "db")
    assert not engine.is_ready(stack, "web")


def test_observe_all_shows_one_owner(engine: Engine, stacks: Stacks) -> None:
    ours = stacks.make(service("web"), volume=False)
    other = stacks.make(service("web"), volume=False)
    theirs = replace(other, owner=f"{stacks.owner}-other")
    try:
        engine.apply(ours)
        engine.prepare(theirs)
        shown = engine.observe_all(stacks.owner)
        assert list(shown) == [ours.instance]
        assert [each.name for each in shown[ours.instance].services] == ["web"]
        assert list(engine.observe_all(theirs.owner)) == [theirs.instance]
    finally:
        engine.remove(theirs.instance, with_volumes=True)


def test_run_gives_exit_code_and_output(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.make(service("web"))
    with pytest.raises(GiveUp, match="web has no container"):
        engine.run(stack.instance, "web", ("echo", "hello"), timeout=10 * SECOND)
    engine.apply(stack)
    said = engine.run(stack.instance, "web", ("echo", "hello"), timeout=10 * SECOND)
    assert (said.exit_code, said.output) == (0, "hello\n")
    assert engine.run(stack.instance, "web", ("false",), timeout=10 * SECOND).exit_code == 1
    engine.stop(stack)
    with pytest.raises(TryLater, match="web is not running"):
        engine.run(stack.instance, "web", ("echo", "hello"), timeout=10 * SECOND)


def test_logs_show_the_last_lines(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.make(service("web"))
    assert engine.logs(stack.instance, "web") == ""
    for starts in (1, 2):
        engine.apply(stack)
        until_logged(engine, stack, "web", "web started\n" * starts)
        engine.stop(stack)
    assert engine.logs(stack.instance, "web") == "web started\n" * 2
    assert engine.logs(stack.instance, "web", lines=1) == "web started\n"


def test_usage_counters_grow(engine: Engine, stacks: Stacks) -> None:
    busy = service("busy", command=("sh", "-c", "while :; do :; done"))
    stack = stacks.make(busy, volume=False)
    engine.apply(stack)
    (first,) = engine.sample((stack.instance,))[stack.instance].usages
    end = datetime.now(UTC) + 10 * SECOND
    (second,) = engine.sample((stack.instance, "i-unknown"))[stack.instance].usages
    while second.cpu_seconds <= first.cpu_seconds and datetime.now(UTC) < end:
        (second,) = engine.sample((stack.instance, "i-unknown"))[stack.instance].usages
    assert second.cpu_seconds > first.cpu_seconds
    assert second.read_at > first.read_at
    assert (second.service, second.pids >= 1, second.memory_bytes > 0) == ("busy", True, True)
    engine.stop(stack)
    assert engine.sample((stack.instance,))[stack.instance].usages == ()


def test_a_sample_shows_how_all_containers_stand(
    engine: Engine, stacks: Stacks, backdoor: Backdoor
) -> None:
    stack = stacks.make(service("web"), service("worker"), service("idle"), volume=False)
    engine.apply(stack)
    backdoor.stop_container(stack, "worker")
    engine.pause(stack.instance, "idle")
    shown = engine.sample((stack.instance, "i-unknown"))
    assert {each.service: each.state.value for each in shown[stack.instance].standings} == {
        "web": "running",
        "worker": "exited",
        "idle": "paused",
    }
    codes = {each.service: each.exit_code for each in shown[stack.instance].standings}
    assert codes["web"] is None
    assert isinstance(codes["worker"], int)
    specs = {each.name: each.spec_hash() for each in stack.services}
    assert {each.service: each.spec_hash for each in shown[stack.instance].standings} == specs
    assert "web" in {each.service for each in shown[stack.instance].usages}
    assert "worker" not in {each.service for each in shown[stack.instance].usages}
    assert shown["i-unknown"] == Reading()


def test_events_arrive(engine: Engine, stacks: Stacks) -> None:
    since = datetime.now(UTC) - SECOND
    stack = stacks.make(service("web"), volume=False)
    engine.apply(stack)
    engine.remove(stack.instance, with_volumes=True)
    seen = []
    for event in engine.events(stack.owner, since=since):
        assert (event.instance, event.service) == (stack.instance, "web")
        assert event.occurred_at >= since
        seen.append(event.action)
        if event.action == "destroy":
            break
    assert "start" in seen


def test_an_engine_that_is_gone_says_so(backdoor: Backdoor, stacks: Stacks) -> None:
    engine, stack = backdoor.break_engine(), stacks.pair()
    calls: list[Callable[[], object]] = [
        engine.capacity,
        lambda: engine.pull(stack),
        lambda: engine.prepare(stack),
        lambda: engine.apply(stack),
        lambda: engine.restart(stack, "db"),
        lambda: engine.is_ready(stack, "db"),
        lambda: engine.observe(stack.instance),
        lambda: engine.observe_all(stack.owner),
        lambda: engine.stop(stack),
        lambda: engine.remove(stack.instance, with_volumes=True),
        lambda: engine.quarantine(stack.owner, "1" * 64),
        *(partial(engine.remove_object, stack.owner, kind, "stray") for kind in ObjectKind),
        lambda: engine.run(stack.instance, "db", ("true",), timeout=SECOND),
        lambda: engine.logs(stack.instance, "db"),
        lambda: engine.sample((stack.instance,)),
        lambda: next(engine.events(stack.owner)),
    ]
    for call in calls:
        with pytest.raises(EngineUnavailable, match="the server does not answer"):
            call()
