"""What the memory engine's hands do, where no other engine can be made to do it at will."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hosting.engines.errors import EngineUnavailable, GiveUp, SubnetTaken
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ContainerState, Health, ObjectKind
from hosting.engines.wanted import Attachment, Network, Stack
from tests.hosting.engines.looking import all_run, changed, ids, seen
from tests.hosting.engines.stacks import READY, Stacks, service

SECOND = timedelta(seconds=1)


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine()


@pytest.fixture
def stack(engine: MemoryEngine, stacks: Stacks) -> Stack:
    """A database and a web service that needs it, both running."""
    stack = stacks.pair()
    engine.apply(stack)
    return stack


def told(engine: MemoryEngine, stack: Stack, since: datetime) -> list[tuple[str, str]]:
    """The events from then on, as (service, action)."""
    events = []
    with suppress(EngineUnavailable):  # the stream breaks where there is no more
        for event in engine.events(stack.owner, since=since):
            events.append((event.service, event.action))
    return events


@pytest.mark.parametrize(
    ("exit_code", "oom", "first"), [(137, False, "kill"), (137, True, "oom"), (3, False, "die")]
)
def test_a_killed_container_has_ended_until_it_is_applied(
    engine: MemoryEngine, stack: Stack, exit_code: int, oom: bool, first: str
) -> None:
    since = datetime.now(UTC)
    engine.hands.kill(stack.instance, "web", exit_code=exit_code, oom=oom)
    found = seen(engine, stack, "web")
    assert (found.state, found.exit_code, found.oom_killed) == (
        ContainerState.EXITED,
        exit_code,
        oom,
    )
    events = told(engine, stack, since)
    assert (events[0], events[-1]) == (("web", first), ("web", "die"))
    engine.apply(stack)
    assert all_run(engine, stack)


def test_a_loop_goes_on_through_apply_until_it_is_calmed(
    engine: MemoryEngine, stack: Stack
) -> None:
    engine.hands.loop(stack.instance, "web", exit_code=4)
    found = seen(engine, stack, "web")
    assert (found.state, found.restarts, found.exit_code) == (ContainerState.RESTARTING, 10, 4)
    engine.apply(stack)
    engine.restart(stack, "web")
    engine.stop(stack)
    engine.apply(stack)
    replaced = changed(stack, "web", environment={"A": "1"})
    engine.apply(replaced)
    assert seen(engine, stack, "web").state is ContainerState.RESTARTING
    with pytest.raises(GiveUp, match=r"exit code 4 each time .* last words: \"web started\""):
        engine.is_ready(stack, "web")
    engine.hands.calm(stack.instance, "web")
    assert all_run(engine, stack)
    assert seen(engine, stack, "web").restarts == 11
    assert engine.is_ready(replaced, "web")


def test_a_loop_holds_back_what_waits_for_it(engine: MemoryEngine, stack: Stack) -> None:
    engine.hands.loop(stack.instance, "db", oom=True)
    engine.hands.remove_container(stack.instance, "web")
    with pytest.raises(GiveUp, match="the service db did not become ready: it was killed because"):
        engine.apply(stack)
    engine.hands.calm(stack.instance, "db")
    engine.apply(stack)
    assert all_run(engine, stack)


def test_what_is_unhealthy_is_so_until_it_is_replaced(engine: MemoryEngine, stack: Stack) -> None:
    since = datetime.now(UTC)
    engine.hands.make_unhealthy(stack.instance, "db")
    assert told(engine, stack, since)[-1] == ("db", "health_status: unhealthy")
    engine.apply(stack)
    assert seen(engine, stack, "db").health is Health.UNHEALTHY
    engine.apply(changed(stack, "db", environment={"A": "1"}))
    assert seen(engine, stack, "db").health is Health.HEALTHY


def test_a_hand_starts_what_stands_still(engine: MemoryEngine, stack: Stack) -> None:
    engine.stop(stack)
    since = datetime.now(UTC)
    engine.hands.start(stack.instance, "web")
    assert told(engine, stack, since) == [("web", "start")]
    assert seen(engine, stack, "web").state is ContainerState.RUNNING
    assert seen(engine, stack, "db").state is ContainerState.EXITED


def test_hands_tell_the_events_that_docker_would(engine: MemoryEngine, stack: Stack) -> None:
    since = datetime.now(UTC)
    engine.hands.rename(stack.instance, "web", "mine")
    engine.hands.alter_limits(stack.instance, "web")
    engine.hands.alter_restart_policy(stack.instance, "web")
    engine.hands.disconnect(stack.instance, "web", stack.networks[0].name)
    engine.hands.connect(stack.instance, "web", stack.networks[0].name)
    engine.hands.remove_volume(stack.volumes[0].name)
    engine.hands.remove_container(stack.instance, "web")
    engine.hands.add_stray(ObjectKind.CONTAINER, "alien", owner=stack.owner)
    assert told(engine, stack, since) == [
        ("web", "rename"),
        ("web", "update"),
        ("web", "update"),
        ("web", "die"),
        ("web", "destroy"),
        ("", "create"),
        ("", "start"),
    ]


def test_a_hand_on_what_is_not_there_is_the_tests_mistake(
    engine: MemoryEngine, stack: Stack
) -> None:
    with pytest.raises(LookupError, match=f"{stack.instance} has no container of cache"):
        engine.hands.kill(stack.instance, "cache")
    with pytest.raises(LookupError, match="web declares no readiness"):
        engine.hands.make_unhealthy(stack.instance, "web")
    with pytest.raises(LookupError):
        engine.hands.remove_network("nothing")
    with pytest.raises(ValueError, match="is in use"):
        engine.hands.rename(stack.instance, "web", f"{stack.project}-db")


def test_a_full_disk_shows_in_the_capacity(engine: MemoryEngine) -> None:
    before = engine.capacity()
    engine.faults.disk_free_bytes = 5
    assert engine.capacity() == replace(before, disk_free_bytes=5)


def test_a_stray_in_an_instance_goes_with_the_next_apply(
    engine: MemoryEngine, stack: Stack
) -> None:
    before = ids(engine, stack)
    stray = engine.hands.add_stray(
        ObjectKind.CONTAINER, "alien", owner=stack.owner, instance=stack.instance
    )
    assert {each.container_id for each in engine.observe(stack.instance).services} == {
        stray,
        *before.values(),
    }
    engine.apply(stack)
    assert ids(engine, stack) == before


def test_subnets_that_overlap_in_any_way_are_taken(engine: MemoryEngine, stacks: Stacks) -> None:
    def with_subnet(subnet: str) -> Stack:
        stack = stacks.make(service("web", readiness=READY))
        name = stack.networks[0].name
        networks = (Network(name, subnet, internal=True),)
        attached = replace(stack.services[0], networks=(Attachment(name),))
        return replace(stack, networks=networks, services=(attached,))

    for free in ("10.9.0.64/28", "10.9.0.0/28", "10.9.0.32/28", "10.9.0.80/28"):
        engine.prepare(with_subnet(free))
    for taken in ("10.9.0.0/28", "10.9.0.0/29", "10.9.0.8/29", "10.9.0.32/27", "10.0.0.0/8"):
        with pytest.raises(SubnetTaken):
            engine.prepare(with_subnet(taken))
    between = with_subnet("10.9.0.16/28")
    engine.prepare(between)
    engine.remove(between.instance, with_volumes=True)
    engine.prepare(with_subnet("10.9.0.16/28"))
