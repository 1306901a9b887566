"""What hands change, and how every engine shows it and puts it right: tried on each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hosting.engines.base import Engine
from hosting.engines.drift import Expected, compare
from hosting.engines.errors import GiveUp
from hosting.engines.observed import Health, ObjectKind, ObservedService
from hosting.engines.wanted import Stack
from tests.hosting.engines.doors import Backdoor
from tests.hosting.engines.looking import all_run, changed, ids, seen, until_logged
from tests.hosting.engines.stacks import READY_SOON, Stacks, service

SECOND = timedelta(seconds=1)


def listed(engine: Engine, stack: Stack, service: str) -> object:
    """What the list call alone shows of the service's container."""
    return engine.observe_all(stack.owner)[stack.instance].service(service)


def apply_and_tell(engine: Engine, stack: Stack) -> list[str]:
    """What an apply reports, less what it waits for: that depends on the machine."""
    lines: list[str] = []
    engine.apply(stack, report=lines.append)
    return [each for each in lines if not each.startswith("waiting for ")]


def test_a_list_shows_less_than_a_look(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.make(service("web"), volume=False)
    engine.apply(stack)
    looked = seen(engine, stack, "web")
    assert (looked.container_name, looked.restarts, looked.altered, looked.oom_killed) == (
        f"{stack.project}-web",
        0,
        (),
        False,
    )
    assert listed(engine, stack, "web") == replace(looked, restarts=None, oom_killed=None)


def test_a_container_with_another_name_is_renamed_back(backdoor: Backdoor, stacks: Stacks) -> None:
    engine, stack = backdoor.engine, stacks.pair()
    engine.apply(stack)
    before = ids(engine, stack)
    mine = f"{stack.project}-mine"
    backdoor.rename(stack, "web", mine)
    for shown in (seen(engine, stack, "web"), listed(engine, stack, "web")):
        assert (shown.container_name, shown.altered) == (mine, ("name",))  # type: ignore[attr-defined]
    assert apply_and_tell(engine, stack) == [f"renaming {mine} back to {stack.project}-web"]
    assert seen(engine, stack, "web").altered == ()
    assert seen(engine, stack, "web").container_name == f"{stack.project}-web"
    assert ids(engine, stack) == before
    assert apply_and_tell(engine, stack) == []


def test_a_name_that_a_stranger_took_is_a_persons_business(
    backdoor: Backdoor, stacks: Stacks
) -> None:
    engine, stack = backdoor.engine, stacks.make(service("web"), volume=False)
    engine.apply(stack)
    backdoor.rename(stack, "web", f"{stack.project}-mine")
    held = f"{stack.project}-web"
    stranger = backdoor.add_stray(ObjectKind.CONTAINER, held, owner=stacks.owner)
    with pytest.raises(GiveUp, match=f"web needs the container name {held}, which is held"):
        engine.apply(stack)
    assert all_run(engine, stack)
    # The same where the service's own container is gone altogether.
    engine.remove(stack.instance, with_volumes=False)
    with pytest.raises(GiveUp, match=f"web needs the container name {held}, which is held"):
        engine.apply(stack)
    engine.remove_object(stacks.owner, ObjectKind.CONTAINER, stranger)
    engine.apply(stack)
    assert all_run(engine, stack)


@pytest.mark.parametrize(
    ("alter", "name"),
    [
        (lambda door: door.alter_limits, "limits"),
        (lambda door: door.alter_restart_policy, "restart policy"),
    ],
)
def test_what_was_updated_by_hand_is_set_back_while_it_runs(
    backdoor: Backdoor,
    stacks: Stacks,
    alter: Callable[[Backdoor], Callable[[Stack, str], None]],
    name: str,
) -> None:
    engine, stack = backdoor.engine, stacks.pair()
    since = datetime.now(UTC) - SECOND
    engine.apply(stack)
    before = ids(engine, stack)
    alter(backdoor)(stack, "web")
    assert seen(engine, stack, "web").altered == (name,)
    assert seen(engine, stack, "db").altered == ()
    assert apply_and_tell(engine, stack) == [f"setting the {name} of web back"]
    assert seen(engine, stack, "web").altered == ()
    assert ids(engine, stack) == before
    assert apply_and_tell(engine, stack) == []
    told = []
    for event in engine.events(stack.owner, since=since):
        told.append((event.service, event.action))
        if told.count(("web", "update")) == 2:  # the hand's and Berth's
            break
    assert told.count(("web", "start")) == 1


def test_a_strange_network_shows_in_a_list_and_is_left_while_it_runs(
    backdoor: Backdoor, stacks: Stacks
) -> None:
    engine, stack, other = backdoor.engine, stacks.pair(), stacks.make(volume=False)
    since = datetime.now(UTC) - SECOND
    engine.apply(stack)
    engine.prepare(other)
    before = ids(engine, stack)
    theirs, nobodys = other.networks[0].name, f"{stack.owner}-nobodys"
    backdoor.add_stray(ObjectKind.NETWORK, nobodys, owner=stacks.owner)
    for network in (theirs, nobodys):
        backdoor.connect(stack, "web", network)
    strange = tuple(sorted((theirs, nobodys)))
    for shown in (seen(engine, stack, "web"), listed(engine, stack, "web")):
        assert isinstance(shown, ObservedService)
        assert (shown.networks, shown.alien_networks) == ((stack.networks[0].name,), strange)
        assert shown.altered == ("networks",)
    (finding,) = compare(Expected.of(stack), engine.observe(stack.instance))
    assert finding.text == f"web: it was connected to {', '.join(strange)} by hand"
    assert seen(engine, stack, "db").altered == ()
    assert apply_and_tell(engine, stack) == [f"disconnecting web from {', '.join(strange)}"]
    assert seen(engine, stack, "web").alien_networks == ()
    assert seen(engine, stack, "web").networks == (stack.networks[0].name,)
    assert ids(engine, stack) == before
    assert apply_and_tell(engine, stack) == []
    engine.restart(stack, "web")  # the mark after which nothing else is listened to
    told = []
    for event in engine.events(stack.owner, since=since):
        told.append((event.service, event.action))
        if event.action == "restart":
            break
    assert told.count(("web", "start")) == 2


def test_a_stopped_container_leaves_a_strange_network_before_it_starts(
    backdoor: Backdoor, stacks: Stacks
) -> None:
    engine, stack = backdoor.engine, stacks.make(service("web"), volume=False)
    other, gone = stacks.make(volume=False), stacks.make(volume=False)
    engine.apply(stack)
    for each in (other, gone):
        engine.prepare(each)
    before = ids(engine, stack)
    backdoor.stop_container(stack, "web")
    for each in (other, gone):
        backdoor.connect(stack, "web", each.networks[0].name)
    backdoor.remove_network(gone, gone.networks[0].name)
    assert seen(engine, stack, "web").alien_networks == (other.networks[0].name,)
    assert apply_and_tell(engine, stack) == [
        f"disconnecting web from {other.networks[0].name}",
        "starting web",
    ]
    assert all_run(engine, stack)
    assert (seen(engine, stack, "web").altered, ids(engine, stack)) == ((), before)


def test_a_network_that_was_removed_is_no_strange_one(backdoor: Backdoor, stacks: Stacks) -> None:
    engine, stack = backdoor.engine, stacks.make(service("web"), volume=False)
    other = stacks.make(volume=False)
    engine.apply(stack)
    engine.prepare(other)
    backdoor.connect(stack, "web", other.networks[0].name)
    backdoor.stop_container(stack, "web")
    backdoor.remove_network(other, other.networks[0].name)
    for shown in (seen(engine, stack, "web"), listed(engine, stack, "web")):
        assert isinstance(shown, ObservedService)
        assert (shown.alien_networks, shown.altered) == ((), ())
    assert apply_and_tell(engine, stack) == ["starting web"]
    assert all_run(engine, stack)


def test_a_stopped_container_that_was_changed_is_put_right_before_it_starts(
    backdoor: Backdoor, stacks: Stacks
) -> None:
    engine, stack = backdoor.engine, stacks.make(service("web"), volume=False)
    engine.apply(stack)
    backdoor.stop_container(stack, "web")
    backdoor.alter_restart_policy(stack, "web")
    backdoor.alter_limits(stack, "web")
    backdoor.rename(stack, "web", f"{stack.project}-mine")
    assert seen(engine, stack, "web").altered == ("name", "limits", "restart policy")
    assert apply_and_tell(engine, stack) == [
        f"renaming {stack.project}-mine back to {stack.project}-web",
        "setting the limits of web back",
        "setting the restart policy of web back",
        "starting web",
    ]
    assert seen(engine, stack, "web").altered == ()
    assert all_run(engine, stack)


def test_a_container_that_must_be_replaced_gets_its_own_name_again(
    backdoor: Backdoor, stacks: Stacks
) -> None:
    engine, stack = backdoor.engine, stacks.make(service("web"), volume=False)
    engine.apply(stack)
    backdoor.rename(stack, "web", f"{stack.project}-mine")
    stack = changed(stack, "web", environment={"A": "1"})
    engine.apply(stack)
    assert seen(engine, stack, "web").container_name == f"{stack.project}-web"
    assert all_run(engine, stack)


def test_what_was_taken_away_comes_back(backdoor: Backdoor, stacks: Stacks) -> None:
    engine, stack = backdoor.engine, stacks.pair()
    network, volume = stack.networks[0].name, stack.volumes[0].name
    engine.apply(stack)
    backdoor.remove_container(stack, "web")
    backdoor.disconnect(stack, "db", network)
    backdoor.remove_volume(stack, volume)
    observed = engine.observe(stack.instance)
    assert observed.service("web") is None
    assert seen(engine, stack, "db").networks == ()
    assert observed.volumes == ()
    engine.apply(stack)
    assert all_run(engine, stack)
    assert seen(engine, stack, "db").networks == (network,)
    assert engine.observe(stack.instance).volumes == (volume,)


def test_an_unhealthy_container_is_restarted(backdoor: Backdoor, stacks: Stacks) -> None:
    engine, stack = backdoor.engine, stacks.make(service("web", readiness=READY_SOON))
    engine.apply(stack)
    before = ids(engine, stack)
    backdoor.make_unhealthy(stack, "web")
    assert seen(engine, stack, "web").health is Health.UNHEALTHY
    assert not engine.is_ready(stack, "web")
    assert apply_and_tell(engine, stack) == []  # it runs as it was told to
    lines: list[str] = []
    engine.restart(stack, "web", report=lines.append)
    assert lines == ["restarting web"]
    deadline = datetime.now(UTC) + 20 * SECOND
    while not engine.is_ready(stack, "web"):
        assert datetime.now(UTC) < deadline
    assert seen(engine, stack, "web").health is not Health.UNHEALTHY
    assert ids(engine, stack) == before


def test_restarting_starts_what_is_stopped_and_needs_a_container(
    engine: Engine, stacks: Stacks
) -> None:
    stack = stacks.make(service("web"), volume=False)
    with pytest.raises(GiveUp, match="the service web has no container on the server"):
        engine.restart(stack, "web")
    engine.apply(stack)
    until_logged(engine, stack, "web", "web started\n")
    engine.stop(stack)
    for starts in (2, 3):
        engine.restart(stack, "web")
        until_logged(engine, stack, "web", "web started\n" * starts)
    assert all_run(engine, stack)


def test_events_go_on_from_where_they_broke_off(backdoor: Backdoor, stacks: Stacks) -> None:
    engine, stack = backdoor.engine, stacks.make(service("web"), volume=False)
    since = datetime.now(UTC) - SECOND
    engine.apply(stack)
    last = next(each for each in engine.events(stack.owner, since=since) if each.action == "start")
    backdoor.rename(stack, "web", f"{stack.project}-mine")
    engine.stop(stack)
    told = []
    for event in engine.events(stack.owner, since=last.occurred_at):
        told.append(event.action)
        if event.action == "die":
            break
    assert [each for each in told if each in ("create", "start", "rename", "die")] == [
        "start",
        "rename",
        "die",
    ]
