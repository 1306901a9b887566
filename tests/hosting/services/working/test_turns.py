"""Whose turn it is at a server that works on so many operations at once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from hosting.engines.memory import MemoryEngine
from hosting.models import Instance, Operation, Server
from hosting.services.working import doorbell, leases, operations, turns
from tenants.services.actors import Actor
from tests.tenants.threads import at_once

Order = Callable[..., Instance]
pytestmark = pytest.mark.django_db


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    heard: list[uuid.UUID] = []
    monkeypatch.setattr(doorbell, "ring", lambda *, operation_id: heard.append(operation_id))
    return heard


@pytest.fixture
def asked(order: Order, memory_server: Server) -> list[uuid.UUID]:
    """Six operations, asked for in this order, on a server that works on two at once."""
    Server.objects.update(parallel_operations=2)
    return [order(f"book-{number}").operations.get().pk for number in range(6)]


def _claim(pk: uuid.UUID) -> leases.Lease | None:
    return leases.claim(operation_id=pk, worker="w")


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_only_as_many_get_one_as_the_server_has_places(
    asked: list[uuid.UUID],
) -> None:
    got = at_once(*[lambda pk=pk: _claim(pk) for pk in asked])
    assert len([each for each in got if each.result() is not None]) == 2
    assert Operation.objects.filter(state="running").count() == 2
    reasons = set(Operation.objects.filter(state="queued").values_list("reason", flat=True))
    assert reasons <= {
        "Waits its turn: server memory works on 2 operations already.",
    }


def test_what_waits_says_so(asked: list[uuid.UUID]) -> None:
    for pk in asked[:3]:
        _claim(pk)
    assert Operation.objects.get(pk=asked[2]).reason == (
        "Waits its turn: server memory works on 2 operations already."
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ends", ["finish", "postpone"])
def test_whoever_waited_longest_is_rung_once_a_place_is_free(
    ends: str, asked: list[uuid.UUID], rung: list[uuid.UUID]
) -> None:
    first, _ = (_claim(pk) for pk in asked[:2])
    assert first is not None
    rung.clear()
    if ends == "finish":
        leases.finish(
            lease=first,
            state=Operation.State.FAILED,
            reason="no",
            instance_state=Instance.State.FAILED,
            at=timezone.now(),
        )
    else:
        leases.postpone(lease=first, reason="later", delay=timedelta(minutes=1))
    assert rung == [asked[2]]
    taken = _claim(asked[2])
    assert taken is not None
    assert Operation.objects.get(pk=asked[2]).reason == ""


def test_one_whose_worker_died_takes_no_place(asked: list[uuid.UUID]) -> None:
    for pk in asked[:2]:
        _claim(pk)
    Operation.objects.filter(pk=asked[0]).update(
        lease_expires_at=timezone.now() - timedelta(seconds=1)
    )
    assert _claim(asked[2]) is not None
    assert _claim(asked[0]) is None  # and waits its turn like any other


def test_another_server_has_places_of_its_own(asked: list[uuid.UUID], order: Order) -> None:
    for pk in asked:
        _claim(pk)
    elsewhere = _server("elsewhere", 2)
    Instance.objects.filter(operations__in=asked[4:]).update(server=elsewhere)
    assert [_claim(pk) is not None for pk in asked[3:]] == [False, True, True]


def test_never_more_are_rung_for_than_there_are_places(asked: list[uuid.UUID]) -> None:
    assert turns.ringable(at_most=200) == asked[:2]
    _claim(asked[0])
    assert turns.ringable(at_most=200) == asked[1:2]
    _claim(asked[1])
    assert turns.ringable(at_most=200) == []


def test_however_many_wait_for_one_server_those_of_another_are_rung_for(
    asked: list[uuid.UUID], order: Order
) -> None:
    elsewhere = _server("elsewhere", 2)
    Instance.objects.filter(operations=asked[5]).update(server=elsewhere)
    assert turns.ringable(at_most=200) == [*asked[:2], asked[5]]
    for pk in asked[:2]:
        _claim(pk)
    assert turns.ringable(at_most=1) == [asked[5]]


def test_a_thousand_that_wait_for_a_full_server_starve_no_other(
    asked: list[uuid.UUID], memory_server: Server
) -> None:
    template = Instance.objects.first()
    assert template is not None
    crowd = []
    for number in range(1000):
        crowd.append(
            Instance(
                client=template.client,
                name=f"crowd-{number}",
                app=template.app,
                version=template.version,
                definition={},
                plan=template.plan,
                server=memory_server,
            )
        )
    Instance.objects.bulk_create(crowd)
    early = timezone.now() - timedelta(hours=1)
    Operation.objects.bulk_create(
        Operation(instance=each, kind="start", run_after=early) for each in crowd
    )
    elsewhere = _server("elsewhere", 1)
    Instance.objects.filter(operations=asked[5]).update(server=elsewhere)
    offered = turns.ringable(at_most=4)
    assert len(offered) == 3
    assert asked[5] in offered


def test_what_is_called_off_needs_no_place(asked: list[uuid.UUID], actor: Actor) -> None:
    for pk in asked[:2]:
        _claim(pk)
    operations.cancel(operation_id=asked[4], actor=actor)
    assert turns.ringable(at_most=200) == [asked[4]]
    assert _claim(asked[4]) is not None


@pytest.mark.usefixtures("memory_engine")
def test_what_is_to_come_later_is_not_due(asked: list[uuid.UUID]) -> None:
    Operation.objects.filter(pk=asked[0]).update(run_after=timezone.now() + timedelta(minutes=1))
    assert turns.ringable(at_most=200) == asked[1:3]
    assert _claim(asked[0]) is None


def _server(name: str, places: int) -> Server:
    return Server.objects.create(
        name=name,
        engine="memory",
        endpoint=f"memory:{name}",
        memory_mb=4096,
        disk_gb=50,
        supernet="10.64.0.0/16",
        parallel_operations=places,
    )


def test_the_memory_engine_is_never_asked_whose_turn_it_is(
    asked: list[uuid.UUID], memory_engine: MemoryEngine
) -> None:
    """The web process and the sweep touch no engine."""
    memory_engine.faults.is_unavailable = True
    assert turns.ringable(at_most=200) == asked[:2]
