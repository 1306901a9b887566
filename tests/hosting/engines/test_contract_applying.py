"""How every engine makes and unmakes a stack, tried on each of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hosting.engines.base import Engine
from hosting.engines.errors import GiveUp, SubnetTaken, TryLater
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ContainerState
from hosting.engines.wanted import Mount, Network, Readiness, Volume
from tests.hosting.engines.doors import Backdoor
from tests.hosting.engines.looking import all_run, changed, ids, states
from tests.hosting.engines.stacks import ABSENT_IMAGE, OTHER_IMAGE, Stacks, service

SECOND = timedelta(seconds=1)


class Stop(Exception):
    """What a report raises when the caller has lost its operation."""


def test_apply_runs_the_whole_stack(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.pair()
    engine.apply(stack)
    observed = engine.observe(stack.instance)
    assert all_run(engine, stack)
    assert observed.networks == (stack.networks[0].name,)
    assert observed.volumes == (stack.volumes[0].name,)
    assert {each.spec_hash for each in observed.services} == {
        each.spec_hash() for each in stack.services
    }
    assert observed.service("web") is not None
    assert observed.service("nothing") is None


def test_apply_twice_changes_nothing(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.pair()
    engine.apply(stack)
    before = ids(engine, stack)
    lines: list[str] = []
    engine.apply(stack, report=lines.append)
    assert ids(engine, stack) == before
    assert lines == []


def test_a_changed_spec_replaces_just_that_container(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.pair()
    engine.apply(stack)
    before = ids(engine, stack)
    stack = changed(stack, "web", image=OTHER_IMAGE)
    engine.apply(stack)
    after = ids(engine, stack)
    assert after["db"] == before["db"]
    assert after["web"] != before["web"]
    web = engine.observe(stack.instance).service("web")
    assert web is not None
    assert web.image == OTHER_IMAGE
    assert all_run(engine, stack)


def test_a_service_that_left_the_stack_is_removed(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.pair()
    engine.apply(stack)
    engine.apply(replace(stack, services=(stack.service("db"),)))
    assert list(ids(engine, stack)) == ["db"]


def test_a_stopped_container_is_started_again(backdoor: Backdoor, stacks: Stacks) -> None:
    engine, stack = backdoor.engine, stacks.pair()
    engine.apply(stack)
    before = ids(engine, stack)
    backdoor.stop_container(stack, "db")
    assert states(engine, stack)["db"] is ContainerState.EXITED
    engine.apply(stack)
    assert all_run(engine, stack)
    assert ids(engine, stack) == before


def test_a_removed_network_comes_back(backdoor: Backdoor, stacks: Stacks) -> None:
    engine, stack = backdoor.engine, stacks.pair()
    engine.apply(stack)
    backdoor.remove_network(stack, stack.networks[0].name)
    engine.apply(stack)
    observed = engine.observe(stack.instance)
    assert observed.networks == (stack.networks[0].name,)
    assert {each.networks for each in observed.services} == {observed.networks}
    assert all_run(engine, stack)


def test_a_network_of_another_kind_is_made_anew(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.make(service("web"))
    engine.apply(stack)
    network = stack.networks[0]
    stack = replace(stack, networks=(Network(network.name, stacks.subnets.take(), internal=False),))
    engine.apply(stack)
    assert all_run(engine, stack)
    lines: list[str] = []
    engine.apply(stack, report=lines.append)
    assert lines == []


def test_a_missing_image_is_named_and_nothing_is_left(engine: Engine, stacks: Stacks) -> None:
    stack = changed(stacks.pair(), "web", image=ABSENT_IMAGE)
    if isinstance(engine, MemoryEngine):
        engine.faults.missing_images.add(ABSENT_IMAGE)
    with pytest.raises(GiveUp, match=f"the image {ABSENT_IMAGE} does not exist"):
        engine.apply(stack)
    assert engine.observe(stack.instance).is_gone


def test_a_missing_image_stops_nothing_that_runs(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.pair()
    engine.apply(stack)
    before = ids(engine, stack)
    if isinstance(engine, MemoryEngine):
        engine.faults.missing_images.add(ABSENT_IMAGE)
    with pytest.raises(GiveUp):
        engine.apply(changed(stack, "db", image=ABSENT_IMAGE))
    assert ids(engine, stack) == before
    assert all_run(engine, stack)


def test_a_service_starts_once_what_it_needs_is_ready(engine: Engine, stacks: Stacks) -> None:
    since = datetime.now(UTC) - SECOND
    stack = stacks.pair()
    lines: list[str] = []
    engine.apply(stack, report=lines.append)
    assert lines.index("waiting for db to be ready") < lines.index("starting web")
    starts = []
    for event in engine.events(stack.owner, since=since):
        if event.action == "start":
            starts.append(event.service)
        if len(starts) == 2:
            break
    assert starts == ["db", "web"]


def test_a_service_that_never_gets_ready_holds_back_its_dependants(
    engine: Engine, stacks: Stacks
) -> None:
    never = Readiness(
        ("false",), interval=0.5 * SECOND, retries=1, start_period=timedelta(seconds=0)
    )
    stack = changed(stacks.pair(), "db", readiness=never)
    if isinstance(engine, MemoryEngine):
        engine.faults.unready_services.add("db")
    with pytest.raises(TryLater, match="the service db did not become ready"):
        engine.apply(stack)
    web = engine.observe(stack.instance).service("web")
    assert web is None or web.state is not ContainerState.RUNNING
    assert not engine.is_ready(stack, "db")


def test_a_circle_of_dependencies_is_refused(engine: Engine, stacks: Stacks) -> None:
    stack = changed(stacks.pair(), "db", depends_on=("web",))
    with pytest.raises(GiveUp, match="wait for each other in a circle"):
        engine.apply(stack)
    assert engine.observe(stack.instance).is_gone


def test_stop_keeps_everything_and_stops_dependants_first(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.pair()
    engine.apply(stack)
    before = ids(engine, stack)
    lines: list[str] = []
    engine.stop(stack, report=lines.append)
    engine.stop(stack)
    assert lines == ["stopping web", "stopping db"]
    assert set(states(engine, stack).values()) == {ContainerState.EXITED}
    assert ids(engine, stack) == before
    engine.apply(stack)
    assert ids(engine, stack) == before
    assert all_run(engine, stack)


def test_remove_keeps_volumes_unless_asked(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.pair()
    engine.apply(stack)
    engine.remove(stack.instance, with_volumes=False)
    observed = engine.observe(stack.instance)
    assert (observed.services, observed.networks) == ((), ())
    assert observed.volumes == (stack.volumes[0].name,)
    assert not observed.is_gone
    engine.remove(stack.instance, with_volumes=True)
    engine.remove(stack.instance, with_volumes=True)
    assert engine.observe(stack.instance).is_gone


def test_prepare_makes_networks_and_volumes_alone(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.pair()
    engine.prepare(stack)
    engine.prepare(stack)
    observed = engine.observe(stack.instance)
    assert observed.services == ()
    assert observed.networks
    assert observed.volumes


def test_a_subnet_in_use_is_named(engine: Engine, stacks: Stacks) -> None:
    first = stacks.make(service("web"), volume=False)
    engine.prepare(first)
    second = stacks.make(service("web"), volume=False)
    subnet = first.networks[0].subnet
    second = replace(second, networks=(replace(second.networks[0], subnet=subnet),))
    with pytest.raises(SubnetTaken) as caught:
        engine.apply(second)
    assert caught.value.subnet == subnet
    assert engine.observe(second.instance).services == ()


@pytest.mark.parametrize(
    "line",
    ["creating db", "starting db", "waiting for db"],
)
def test_apply_goes_on_where_a_report_stopped_it(engine: Engine, stacks: Stacks, line: str) -> None:
    stack = stacks.pair()

    def report(said: str) -> None:
        if said.startswith(line):
            raise Stop

    with pytest.raises(Stop):
        engine.apply(stack, report=report)
    assert not all_run(engine, stack)
    engine.apply(stack)
    assert all_run(engine, stack)


def test_what_berth_never_runs_is_refused(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.pair()
    volume = stack.volumes[0].name
    refused = [
        (changed(stack, "web", capabilities=("SYS_ADMIN",)), "may not have the capability"),
        (changed(stack, "web", mounts=(Mount("/etc", "/mnt"),)), "no volume of its stack"),
        (changed(stack, "web", mounts=(Mount(volume, "/../x"),)), "no absolute path"),
        (changed(stack, "web", tmpfs=("/tmp:dev",)), "may not mount a tmpfs with dev"),
        (changed(stack, "web", depends_on=("cache",)), "cache, which is not in the stack"),
        (replace(stack, volumes=(Volume("/etc"),)), "'/etc' is no name for a volume"),
        (replace(stack, networks=(replace(stack.networks[0], name="host"),)), "'host' is no name"),
        (replace(stack, networks=()), "no network of its stack"),
    ]
    for wrong, sentence in refused:
        with pytest.raises(GiveUp, match=sentence):
            engine.apply(wrong)
    assert engine.observe(stack.instance).is_gone
