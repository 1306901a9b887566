"""From what is there to what is wanted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hosting.engines.docker.convergence import Action, plan
from hosting.engines.docker.observing import Found, FoundNetwork
from hosting.engines.observed import ContainerState, Health, Observed, ObservedService
from hosting.engines.wanted import Attachment, Network, Stack, Volume
from tests.hosting.engines.stacks import service

WEB = service("web", networks=(Attachment("net"),))
STACK = Stack(
    instance="i-1",
    project="p",
    owner="o",
    services=(WEB,),
    networks=(Network("net", "10.222.0.0/28", internal=True),),
    volumes=(Volume("data"),),
)
NETWORK = FoundNetwork("id-net", "net", "10.222.0.0/28", internal=True)
SEEN = ObservedService(
    name="web",
    container_id="c1",
    state=ContainerState.RUNNING,
    health=Health.NONE,
    spec_hash=WEB.spec_hash(),
    image=WEB.image,
    networks=("net",),
)


def found(
    *seen: ObservedService,
    networks: tuple[FoundNetwork, ...] = (NETWORK,),
    volumes: tuple[str, ...] = ("data",),
) -> Found:
    names = tuple(each.name for each in networks)
    return Found(Observed("i-1", seen, names, volumes), networks=networks)


def test_nothing_there_means_everything_is_created() -> None:
    wanted = plan(STACK, found(networks=(), volumes=()))
    assert wanted.services == {"web": Action.CREATE}
    assert wanted.networks == STACK.networks
    assert wanted.volumes == ("data",)
    assert not wanted.changes_nothing


def test_everything_there_means_nothing_changes() -> None:
    assert plan(STACK, found(SEEN)).changes_nothing


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"state": ContainerState.RUNNING}, Action.KEEP),
        ({"state": ContainerState.RESTARTING}, Action.KEEP),
        ({"altered": ("name",)}, Action.ADJUST),
        ({"altered": ("limits", "restart policy")}, Action.ADJUST),
        ({"altered": ("limits",), "state": ContainerState.RESTARTING}, Action.ADJUST),
        ({"altered": ("name",), "state": ContainerState.EXITED}, Action.START),
        ({"altered": ("name",), "state": ContainerState.PAUSED}, Action.RESUME),
        ({"altered": ("name",), "spec_hash": "another"}, Action.REPLACE),
        ({"state": ContainerState.EXITED}, Action.START),
        ({"state": ContainerState.PAUSED}, Action.RESUME),
        ({"state": ContainerState.CREATED}, Action.REPLACE),
        ({"state": ContainerState.MISSING}, Action.REPLACE),
        ({"spec_hash": "another"}, Action.REPLACE),
        ({"spec_hash": "another", "state": ContainerState.EXITED}, Action.REPLACE),
        ({"networks": ()}, Action.REPLACE),
        ({"networks": ("net", "strange")}, Action.REPLACE),
    ],
)
def test_one_container_needs(fields: dict[str, object], wanted: Action) -> None:
    seen = replace(SEEN, **fields)  # type: ignore[arg-type]
    assert plan(STACK, found(seen)).services == {"web": wanted}


def test_a_network_of_another_subnet_or_kind_is_made_anew_with_what_is_in_it() -> None:
    for other in (replace(NETWORK, subnet="10.222.9.0/28"), replace(NETWORK, internal=False)):
        wanted = plan(STACK, found(SEEN, networks=(other,)))
        assert wanted.outdated == (other,)
        assert wanted.networks == STACK.networks
        assert wanted.services == {"web": Action.REPLACE}


def test_doubles_and_strangers_go() -> None:
    double = replace(NETWORK, id="id-double")
    stranger = replace(NETWORK, id="id-strange", name="strange")
    cache = replace(SEEN, name="cache", container_id="c2")
    twin = replace(SEEN, container_id="c3", spec_hash="old")
    wanted = plan(STACK, found(twin, SEEN, cache, networks=(NETWORK, double, stranger)))
    assert wanted.outdated == (double, stranger)
    assert [each.container_id for each in wanted.surplus] == ["c3", "c2"]
    assert wanted.services == {"web": Action.KEEP}
    assert wanted.networks == ()


def test_of_doubles_the_one_with_the_right_name_stays() -> None:
    copied = replace(SEEN, container_id="c0", container_name="copy", altered=("name",))
    wanted = plan(STACK, found(copied, SEEN))
    assert [each.container_id for each in wanted.surplus] == ["c0"]
    assert wanted.services == {"web": Action.KEEP}


def test_a_double_that_fits_stays_whatever_its_name_is() -> None:
    outdated = replace(SEEN, container_id="c0", spec_hash="old")
    renamed = replace(SEEN, container_name="mine", altered=("name",))
    wanted = plan(STACK, found(outdated, renamed))
    assert [each.container_id for each in wanted.surplus] == ["c0"]
    assert wanted.services == {"web": Action.ADJUST}
    assert not wanted.changes_nothing
