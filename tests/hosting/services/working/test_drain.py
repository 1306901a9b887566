"""Emptying a server for maintenance, and taking it back."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import transaction

from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ContainerState
from hosting.models import FleetAction, Instance, Operation, Server
from hosting.services import instances, servers
from hosting.services.working import fleet
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tenants.services import audit
from tenants.services.actors import Actor
from tests.hosting.rounds import pass_time, work_all
from tests.hosting.services.working.test_fleet import _until_someone_waits
from tests.tenants.threads import at_once

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db


@pytest.fixture
def books(order: Order, memory_engine: MemoryEngine, work_off: WorkOff) -> list[Instance]:
    placed = [order(f"book-{number}") for number in range(3)]
    for each in placed:
        work_off(each)
    pass_time()
    return placed


def _finish() -> None:
    """Until no fleet action goes on."""
    for _ in range(10):
        work_all()
        fleet.advance_all()
        pass_time()
    assert not FleetAction.objects.filter(state="running").exists()


def _states(books: list[Instance]) -> list[str]:
    for each in books:
        each.refresh_from_db()
    return [each.state for each in books]


def test_a_drain_stops_what_runs_and_reopening_starts_exactly_that(
    books: list[Instance],
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    instances.stop(instance=books[0], actor=actor)
    work_off(books[0])
    Instance.objects.filter(pk=books[1].pk).update(state="degraded")
    pass_time()
    drain = servers.drain(server=memory_server, actor=actor, wave_size=1)
    assert drain is not None
    assert drain.items.count() == 2
    with pytest.raises(Refused, match="has not ended yet"):
        servers.reopen(server=memory_server, actor=actor)
    _finish()
    assert _states(books) == ["stopped"] * 3
    running = [
        one
        for each in books
        for one in memory_engine.observe(str(each.pk)).services
        if one.state is ContainerState.RUNNING
    ]
    assert not running
    opened = servers.reopen(server=memory_server, actor=actor)
    assert opened.availability == Server.Availability.OPEN
    _finish()
    assert _states(books) == ["stopped", "running", "running"]
    actions = AuditEvent.objects.filter(object_id=str(memory_server.pk))
    assert [each.action for each in actions.order_by("sequence")] == [
        "server.drained",
        "server.opened",
    ]


def test_nothing_is_brought_up_while_it_is_drained(
    books: list[Instance],
    order: Order,
    memory_server: Server,
    actor: Actor,
) -> None:
    servers.drain(server=memory_server, actor=actor)
    _finish()
    with pytest.raises(Refused) as refused:
        instances.start(instance=books[0], actor=actor)
    assert str(refused.value) == (
        "book-0's server is being emptied for maintenance; “Start” is possible again when it is"
        " back."
    )
    with pytest.raises(Refused, match="Server memory is being emptied; reopen it before"):
        fleet.begin_on_server(server=memory_server, kind="start", actor=actor)
    with pytest.raises(Refused, match="No server is open for new instances"):
        order("new")
    instances.delete(instance=books[0], confirmation="book-0", actor=actor)
    [deletion] = work_all()
    assert deletion.state == Operation.State.SUCCEEDED


def test_one_that_will_not_stop_is_no_reason_to_leave_the_others_running(
    books: list[Instance], memory_engine: MemoryEngine, memory_server: Server, actor: Actor
) -> None:
    from hosting.engines.errors import GiveUp

    left = ["stopping web"]

    def refuse_once(line: str) -> None:
        if line in left:
            left.remove(line)
            raise GiveUp("it will not stop")

    memory_engine.faults.before_change = refuse_once
    servers.drain(server=memory_server, actor=actor, wave_size=1)
    _finish()
    assert sorted(_states(books)) == ["failed", "stopped", "stopped"]


def test_a_server_where_nothing_runs_is_drained_at_once(
    memory_server: Server, actor: Actor
) -> None:
    assert servers.drain(server=memory_server, actor=actor) is None
    servers.reopen(server=memory_server, actor=actor)
    assert not FleetAction.objects.exists()


def test_what_its_owner_stopped_since_is_not_started_by_a_later_reopening(
    books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    """The earlier drain stopped it, too; what counts is who stopped it last."""
    for _ in range(2):
        servers.drain(server=memory_server, actor=actor)
        _finish()
        servers.reopen(server=memory_server, actor=actor)
        _finish()
        if _states(books) == ["running"] * 3:
            for each in books:
                instances.stop(instance=each, actor=actor)
            _finish()
    assert _states(books) == ["stopped"] * 3


def test_what_belongs_to_an_inactive_client_or_is_to_be_deleted_stays_down(
    books: list[Instance], memory_server: Server, actor: Actor, acme: Client
) -> None:
    servers.drain(server=memory_server, actor=actor)
    _finish()
    Client.objects.filter(pk=acme.pk).update(is_active=False)
    servers.reopen(server=memory_server, actor=actor)
    _finish()
    assert _states(books) == ["stopped"] * 3


def test_a_drain_that_was_stopped_can_be_taken_back(
    books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    drain = servers.drain(server=memory_server, actor=actor, wave_size=1)
    assert drain is not None
    fleet.stop(action=drain, actor=actor)
    work_all()
    assert sorted(_states(books)) == ["running", "running", "stopped"]
    servers.reopen(server=memory_server, actor=actor)
    _finish()
    assert _states(books) == ["running"] * 3


@pytest.mark.parametrize("verb", ["drain", "cordon"])
def test_twice_is_refused(verb: str, memory_server: Server, actor: Actor) -> None:
    getattr(servers, verb)(server=memory_server, actor=actor)
    with pytest.raises(Refused, match="already"):
        getattr(servers, verb)(server=memory_server, actor=actor)


def test_a_drained_server_is_not_cordoned_or_what_was_stopped_stays_stopped(
    books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    servers.drain(server=memory_server, actor=actor)
    with pytest.raises(Refused, match="is drained"):
        servers.cordon(server=memory_server, actor=actor)
    _finish()
    with pytest.raises(Refused, match="Open it first"):
        servers.cordon(server=memory_server, actor=actor)
    memory_server.refresh_from_db()
    assert memory_server.availability == Server.Availability.DRAINING
    servers.reopen(server=memory_server, actor=actor)
    _finish()
    assert {each.state for each in Instance.objects.all()} == {Instance.State.RUNNING}


def test_a_cordoned_server_takes_nothing_new_and_runs_on(
    books: list[Instance], order: Order, memory_server: Server, work_off: WorkOff, actor: Actor
) -> None:
    servers.cordon(server=memory_server, actor=actor)
    with pytest.raises(Refused, match="No server is open"):
        order("new")
    instances.restart(instance=books[0], actor=actor)
    assert work_off(books[0]).state == Operation.State.SUCCEEDED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", ["drain", "reopen"])
def test_it_and_the_end_of_an_operation_never_wait_for_each_other(
    verb: str, books: list[Instance], memory_server: Server, actor: Actor
) -> None:
    if verb == "reopen":
        servers.drain(server=memory_server, actor=actor)
        _finish()
    has_instance = threading.Event()

    def end_an_operation() -> None:
        with transaction.atomic():
            Instance.objects.select_for_update().get(pk=books[2].pk)
            has_instance.set()
            _until_someone_waits()
            audit.record(action="operation.succeeded", actor=actor, obj=books[2])

    def meanwhile() -> object:
        assert has_instance.wait(10)
        return getattr(servers, verb)(server=memory_server, actor=actor)

    for future in at_once(end_an_operation, meanwhile):
        future.result()
