"""Comparing what is with what should be, as plain values."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosting.engines.drift import Expected, Finding, Kind, compare, compare_stopped
from hosting.engines.observed import ContainerState, Health, Observed, ObservedService
from hosting.engines.wanted import Attachment, Limits, Network, Secret, Service, Stack, Volume

STACK = Stack(
    instance="i",
    project="p",
    owner="o",
    services=(
        Service(
            name="web",
            image="web:1",
            limits=Limits(cpus=Decimal(1), memory_bytes=2**28, pids=64),
            networks=(Attachment("front"), Attachment("back")),
            secrets=(Secret("password", "tell nobody"),),
        ),
        Service(
            name="db",
            image="db:1",
            limits=Limits(cpus=Decimal(1), memory_bytes=2**28, pids=64),
            networks=(Attachment("back"),),
        ),
    ),
    networks=(
        Network("front", "10.0.0.0/28", internal=False),
        Network("back", "10.0.0.16/28", internal=True),
    ),
    volumes=(Volume("data"),),
)
EXPECTED = Expected.of(STACK)


def _service(name: str, **changes: object) -> ObservedService:
    wanted = STACK.service(name)
    seen = ObservedService(
        name=name,
        container_id=f"{name}-id",
        state=ContainerState.RUNNING,
        health=Health.HEALTHY,
        spec_hash=wanted.spec_hash(),
        image=wanted.image,
        networks=tuple(each.network for each in wanted.networks),
        container_name=f"p-{name}",
    )
    return replace(seen, **changes)  # type: ignore[arg-type]


def _seen(*services: ObservedService, **changes: object) -> Observed:
    whole = Observed("i", services, networks=("back", "front"), volumes=("data",))
    return replace(whole, **changes)  # type: ignore[arg-type]


WELL = _seen(_service("web"), _service("db"))


def _kinds(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(each.kind.value, each.subject) for each in findings]


def test_it_finds_nothing_where_all_is_as_it_should_be() -> None:
    assert compare(EXPECTED, WELL) == ()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"state": ContainerState.EXITED}, Kind.STOPPED),
        ({"state": ContainerState.CREATED}, Kind.STOPPED),
        ({"state": ContainerState.PAUSED}, Kind.PAUSED),
        ({"state": ContainerState.RESTARTING}, Kind.LOOPING),
        ({"state": ContainerState.MISSING}, Kind.MISSING),
        ({"health": Health.UNHEALTHY}, Kind.UNHEALTHY),
        ({"spec_hash": "of another"}, Kind.CHANGED),
        ({"altered": ("limits",)}, Kind.CHANGED),
        ({"altered": ("name",)}, Kind.CHANGED),
        ({"networks": ("front",)}, Kind.DISCONNECTED),
        ({"networks": ("back", "front", "more")}, Kind.CHANGED),
        ({"altered": ("networks",), "alien_networks": ("strange",)}, Kind.CHANGED),
    ],
)
def test_it_names_what_differs_of_one_service(changes: dict[str, object], kind: Kind) -> None:
    seen = _seen(_service("web", **changes), _service("db"))
    assert _kinds(compare(EXPECTED, seen)) == [(kind, "web")]


def test_a_service_that_is_still_starting_is_no_finding() -> None:
    assert compare(EXPECTED, _seen(_service("web", health=Health.STARTING), _service("db"))) == ()


def test_it_finds_what_is_missing() -> None:
    seen = _seen(_service("db"), networks=("back",), volumes=())
    assert _kinds(compare(EXPECTED, seen)) == [
        ("missing", "web"),
        ("network_missing", "front"),
        ("volume_missing", "data"),
    ]


def test_nothing_at_all_on_the_server_is_everything_missing() -> None:
    assert len(compare(EXPECTED, Observed("i"))) == 2 + 2 + 1


def test_it_finds_containers_that_are_not_part_of_the_instance() -> None:
    strange = replace(_service("web"), name="", container_id="strange", container_name="miner")
    unnamed = replace(strange, container_id="0123456789abcdef", container_name="")
    seen = _seen(*WELL.services, strange, unnamed)
    assert _kinds(compare(EXPECTED, seen)) == [("surplus", "miner"), ("surplus", "0123456789ab")]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_containers_of_a_service_the_one_that_fits_is_it(order: int) -> None:
    fits = _service("web")
    double = _service("web", container_id="d", container_name="copy", spec_hash="other")
    seen = _seen(*(fits, double)[::order], _service("db"))
    assert _kinds(compare(EXPECTED, seen)) == [("surplus", "copy")]


def test_each_sentence_reads_well() -> None:
    seen = _seen(
        _service("web", altered=("limits", "restart policy"), networks=()),
        _service("db", altered=("name",), state=ContainerState.RESTARTING),
    )
    assert [each.text for each in compare(EXPECTED, seen)] == [
        "web: limits and restart policy were changed by hand",
        "web is cut off from back, front",
        "db: name was changed by hand",
        "db ends each time it is started",
    ]
    only_limits = _seen(_service("web", altered=("limits",)), _service("db"))
    assert compare(EXPECTED, only_limits)[0].text == "web: limits were changed by hand"
    connected = _seen(
        _service("web", altered=("networks", "limits"), alien_networks=("strange", "bridge")),
        _service("db", networks=("back", "front")),
    )
    assert [each.text for each in compare(EXPECTED, connected)] == [
        "web: limits were changed, and it was connected to bridge, strange by hand",
        "db: it was connected to front by hand",
    ]


def test_a_stopped_instance_may_have_no_container_at_all_but_its_data() -> None:
    assert compare_stopped(EXPECTED, _seen()) == ()
    gone = compare_stopped(EXPECTED, _seen(volumes=()))
    assert _kinds(gone) == [("volume_missing", "data")]


@pytest.mark.parametrize(
    ("state", "is_found"),
    [
        (ContainerState.RUNNING, True),
        (ContainerState.RESTARTING, True),
        (ContainerState.PAUSED, True),
        (ContainerState.EXITED, False),
        (ContainerState.CREATED, False),
    ],
)
def test_it_finds_what_runs_of_a_stopped_instance(state: ContainerState, is_found: bool) -> None:
    found = compare_stopped(EXPECTED, _seen(_service("web", state=state)))
    assert _kinds(found) == ([("runs", "web")] if is_found else [])


def test_what_is_expected_survives_the_database_and_holds_no_secret() -> None:
    stored = json.dumps(EXPECTED.dump())
    assert Expected.load(json.loads(stored)) == EXPECTED
    assert "tell nobody" not in stored


def test_the_words_are_those_of_the_table() -> None:
    from hosting.models import Drift

    assert {each.value for each in Kind} == set(Drift.Kind.values)


observed_services = st.builds(
    ObservedService,
    name=st.sampled_from(["web", "db", "", "other"]),
    container_id=st.uuids().map(str),
    state=st.sampled_from(ContainerState),
    health=st.sampled_from(Health),
    spec_hash=st.sampled_from([each.spec_hash() for each in STACK.services] + ["?"]),
    image=st.just("x"),
    networks=st.lists(st.sampled_from(["front", "back"]), unique=True).map(tuple),
    container_name=st.sampled_from(["", "p-web", "p-db"]),
    altered=st.sampled_from([(), ("name",), ("limits",)]),
)


@given(st.lists(observed_services, max_size=5).map(tuple), st.booleans())
def test_only_what_fits_in_everything_is_found_well(
    services: tuple[ObservedService, ...], has_fabric: bool
) -> None:
    """Whatever is seen: no finding means one good container a service, and nothing else."""
    fabric = {} if has_fabric else {"networks": ()}
    seen = _seen(*services, **fabric)
    is_well = (
        has_fabric
        and sorted(each.name for each in services) == ["db", "web"]
        and all(
            each.state is ContainerState.RUNNING
            and each.health is not Health.UNHEALTHY
            and each.spec_hash == STACK.service(each.name).spec_hash()
            and {one.network for one in STACK.service(each.name).networks} == {*each.networks}
            and not each.altered
            for each in services
        )
    )
    assert (compare(EXPECTED, seen) == ()) is is_well
