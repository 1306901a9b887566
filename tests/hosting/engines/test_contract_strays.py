"""What belongs to no instance, and how every engine shows and treats it: tried on each of them."""

from __future__ import annotations

import pytest

from hosting.engines.errors import GiveUp, TryLater
from hosting.engines.observed import ContainerState, ObjectKind
from tests.hosting.engines.doors import Backdoor
from tests.hosting.engines.stacks import Stacks, service


def test_a_stranger_with_our_label_is_quarantined_and_kept(
    backdoor: Backdoor, stacks: Stacks
) -> None:
    engine = backdoor.engine
    name, network = f"{stacks.owner}-alien", f"{stacks.owner}-lair"
    nobody = f"{stacks.owner}-nobody"  # unlike any that another worker makes up at the same time
    backdoor.add_stray(ObjectKind.NETWORK, network, owner=stacks.owner, instance=nobody)
    alien = backdoor.add_stray(
        ObjectKind.CONTAINER, name, owner=stacks.owner, instance=nobody, network=network
    )
    (shown,) = engine.observe_all(stacks.owner)[nobody].services
    assert (shown.name, shown.container_id, shown.container_name) == ("", alien, name)
    assert (shown.networks, shown.altered) == ((network,), ())
    lines: list[str] = []
    engine.quarantine(stacks.owner, alien, report=lines.append)
    assert lines == [
        f"switching off the restart policy of {name}",
        f"stopping {name}",
        f"disconnecting {name} from {network}",
    ]
    engine.quarantine(stacks.owner, alien, report=lines.append)
    assert len(lines) == 3
    (shown,) = engine.observe_all(stacks.owner)[nobody].services
    assert (shown.container_id, shown.state) == (alien, ContainerState.EXITED)
    assert shown.networks == ()
    engine.remove(nobody, with_volumes=True)


def test_only_our_own_is_quarantined(backdoor: Backdoor, stacks: Stacks) -> None:
    engine = backdoor.engine
    theirs = f"{stacks.owner}-other"
    name = f"{theirs}-alien"
    alien = backdoor.add_stray(ObjectKind.CONTAINER, name, owner=theirs)
    try:
        with pytest.raises(GiveUp, match=f"the container {name} was not made by this"):
            engine.quarantine(stacks.owner, alien)
        (shown,) = engine.observe_all(theirs)[""].services
        assert shown.state is ContainerState.RUNNING
    finally:
        engine.remove_object(theirs, ObjectKind.CONTAINER, alien)
    engine.quarantine(stacks.owner, alien)  # gone is fine


def test_what_carries_no_instance_is_shown_under_no_name(
    backdoor: Backdoor, stacks: Stacks
) -> None:
    engine, stack = backdoor.engine, stacks.make(service("web"), volume=False)
    engine.apply(stack)
    assert list(engine.observe_all(stacks.owner)) == [stack.instance]
    names = {kind: f"{stacks.owner}-{kind}" for kind in ObjectKind}
    ids = [backdoor.add_stray(kind, name, owner=stacks.owner) for kind, name in names.items()]
    shown = engine.observe_all(stacks.owner)
    assert sorted(shown) == ["", stack.instance]
    assert [each.container_id for each in shown[""].services] == ids[:1]
    assert shown[""].networks == (names[ObjectKind.NETWORK],)
    assert shown[""].volumes == (names[ObjectKind.VOLUME],)
    assert [each.name for each in shown[stack.instance].services] == ["web"]


@pytest.mark.parametrize("kind", list(ObjectKind))
def test_one_object_is_removed_if_it_is_ours(
    backdoor: Backdoor, stacks: Stacks, kind: ObjectKind
) -> None:
    engine = backdoor.engine
    ours, theirs = stacks.owner, f"{stacks.owner}-other"
    name = f"{stacks.owner}-stray"
    backdoor.add_stray(kind, name, owner=theirs)
    with pytest.raises(GiveUp, match=f"the {kind} {name} was not made by this installation"):
        engine.remove_object(ours, kind, name)
    assert not engine.observe_all(theirs)[""].is_gone
    lines: list[str] = []
    engine.remove_object(theirs, kind, name, report=lines.append)
    engine.remove_object(theirs, kind, name, report=lines.append)
    assert lines == [f"removing the {kind} {name}"]
    assert engine.observe_all(theirs) == {}


def test_nothing_that_is_in_use_is_removed_as_a_single_object(
    backdoor: Backdoor, stacks: Stacks
) -> None:
    engine = backdoor.engine
    name, network = f"{stacks.owner}-alien", f"{stacks.owner}-lair"
    backdoor.add_stray(ObjectKind.NETWORK, network, owner=stacks.owner)
    backdoor.add_stray(ObjectKind.CONTAINER, name, owner=stacks.owner, network=network)
    with pytest.raises(TryLater, match=f"the network {network} still has containers attached"):
        engine.remove_object(stacks.owner, ObjectKind.NETWORK, network)
    engine.remove_object(stacks.owner, ObjectKind.CONTAINER, name)
    engine.remove_object(stacks.owner, ObjectKind.NETWORK, network)
    assert engine.observe_all(stacks.owner) == {}
