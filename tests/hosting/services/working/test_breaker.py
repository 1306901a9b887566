"""A server that does not answer is left alone, and asked now and then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from hosting.engines.errors import GiveUp, TryLater
from hosting.engines.memory import MemoryEngine
from hosting.flows.working import runner
from hosting.models import Incident, Instance, Operation, Server
from hosting.services import instances, servers
from hosting.services.working import breaker, leases, operations, turns
from tenants.services.actors import Actor
from tests.hosting.rounds import one_round, pass_time
from tests.tenants.threads import at_once

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db


def _silence(server: Server, times: int) -> None:
    for _ in range(times):
        breaker.record_silence(server=server, error="the server does not answer")
    server.refresh_from_db()


def _other_server() -> Server:
    return Server.objects.create(
        name="other",
        engine="memory",
        endpoint="memory:other",
        cpus=4,
        memory_mb=4096,
        disk_gb=50,
        supernet="10.64.0.0/16",
    )


def test_it_opens_after_three_failures_with_one_incident(memory_server: Server) -> None:
    _silence(memory_server, 2)
    assert memory_server.retry_at is None
    assert not Incident.objects.exists()
    _silence(memory_server, 1)
    assert Server.objects.get(pk=memory_server.pk).is_silent
    _silence(memory_server, 5)
    incident = Incident.objects.get()
    assert (incident.kind, incident.server) == ("server_unreachable", memory_server)
    assert incident.summary == "Server memory does not answer: the server does not answer."


def test_the_pauses_double_up_to_five_minutes(memory_server: Server) -> None:
    _silence(memory_server, 3)
    pauses = [_pause(memory_server)]
    for _ in range(7):
        Server.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
        memory_server.refresh_from_db()
        assert breaker.may_try(server=memory_server)
        _silence(memory_server, 1)
        pauses.append(_pause(memory_server))
    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]


def test_ten_operations_that_lose_the_server_at_once_are_not_ten_failures(
    memory_server: Server,
) -> None:
    _silence(memory_server, 10)
    assert memory_server.failures == breaker.FAILURES_THAT_OPEN
    assert _pause(memory_server) == 10


def _pause(server: Server) -> int:
    assert server.retry_at is not None
    return round((server.retry_at - timezone.now()).total_seconds())


def test_an_answer_in_between_starts_the_count_anew(memory_server: Server) -> None:
    _silence(memory_server, 2)
    assert breaker.record_answer(server=memory_server)
    _silence(memory_server, 2)
    assert not memory_server.is_silent
    assert not breaker.record_answer(
        server=Server.objects.create(name="calm", memory_mb=1, disk_gb=1)
    )


def test_what_waits_for_it_says_why_and_what_waits_for_another_goes_on(
    order: Order, memory_engine: MemoryEngine, memory_server: Server, work_off: WorkOff
) -> None:
    waiting = order("book")
    memory_engine.faults.is_unavailable = True
    for _ in range(3):
        pass_time()
        work_off(waiting)
    Operation.objects.update(run_after=timezone.now())
    operation = work_off(waiting)
    since = Server.objects.get(pk=memory_server.pk).silent_since
    assert operation.state == Operation.State.QUEUED
    assert operation.reason == (
        f"Server memory has not answered since {since:%H:%M} UTC; this goes on as soon as it does."
    )
    _other_server()
    Server.objects.filter(pk=memory_server.pk).update(availability="cordoned")
    assert work_off(order("lucky")).state == Operation.State.SUCCEEDED


def test_nothing_is_begun_while_it_is_open_and_one_alone_may_try_afterwards(
    order: Order, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    waiting = [order(name).operations.get() for name in ("one", "two")]
    _silence(memory_server, 3)
    assert [leases.claim(operation_id=each.pk, worker="w") for each in waiting] == [None, None]
    assert turns.ringable(at_most=9) == []
    Server.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    claimed = [leases.claim(operation_id=each.pk, worker="w") for each in waiting]
    assert [each is not None for each in claimed] == [True, False]


@pytest.mark.django_db(transaction=True)
def test_of_many_that_ask_at_once_a_single_one_may_try(memory_server: Server) -> None:
    _silence(memory_server, 3)
    pass_time(timedelta(minutes=1))
    server = Server.objects.get(pk=memory_server.pk)
    asked = at_once(*[lambda: breaker.may_try(server=server)] * 6)
    assert sorted(each.result() for each in asked) == [False] * 5 + [True]


def test_the_one_try_is_not_given_to_an_operation_that_finds_no_place(
    order: Order, memory_server: Server
) -> None:
    """With its places taken by what began before, nobody would try and all would wait on."""
    Server.objects.update(parallel_operations=1)
    running, waiting = (order(name).operations.get() for name in ("one", "two"))
    assert leases.claim(operation_id=running.pk, worker="w") is not None
    _silence(memory_server, 3)
    Server.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    assert leases.claim(operation_id=waiting.pk, worker="w") is None
    memory_server.refresh_from_db()
    assert breaker.may_try(server=memory_server)


def test_an_answer_closes_it_and_wakes_what_waits(
    order: Order, memory_engine: MemoryEngine, memory_server: Server, work_off: WorkOff
) -> None:
    instance = order("book")
    memory_engine.faults.is_unavailable = True
    for _ in range(3):
        work_off(instance)
        pass_time()
    Operation.objects.update(run_after=timezone.now() + timedelta(hours=1))
    memory_engine.faults.is_unavailable = False
    assert one_round(memory_server) is not None
    memory_server.refresh_from_db()
    assert (memory_server.failures, memory_server.retry_at, memory_server.silent_since) == (
        0,
        None,
        None,
    )
    assert not Incident.objects.get().is_open
    assert turns.ringable(at_most=9) == [instance.operations.get().pk]
    assert work_off(instance).state == Operation.State.SUCCEEDED


@pytest.mark.parametrize("error", [TryLater("it takes too long"), GiveUp("that is no endpoint")])
def test_an_engine_that_cannot_even_list_what_it_runs_is_as_good_as_silent(
    error: Exception,
    memory_engine: MemoryEngine,
    memory_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(owner: str) -> None:
        raise error

    monkeypatch.setattr(memory_engine, "observe_all", slow)
    for _ in range(3):
        assert one_round(memory_server) is None
    assert Incident.objects.get().summary == f"Server memory does not answer: {error}."


def test_what_is_called_off_need_not_wait_for_a_silent_server(
    order: Order, memory_server: Server, work_off: WorkOff, actor: Actor
) -> None:
    """Ending it touches no engine, and the instance is free for its deletion."""
    instance = order("book")
    _silence(memory_server, 3)
    work_off(instance)
    operations.cancel(operation_id=instance.operations.get().pk, actor=actor)
    assert turns.ringable(at_most=1) == [instance.operations.get().pk]
    assert work_off(instance).state == Operation.State.CANCELLED
    assert instance.state == Instance.State.FAILED


def test_a_deletion_never_gives_up_and_says_what_it_waits_for(
    order: Order,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    instance = order("book")
    work_off(instance)
    instances.delete(instance=instance, confirmation="book", actor=actor)
    memory_engine.faults.is_unavailable = True
    for number in range(4 * runner.MAX_ATTEMPTS):
        operation = work_off(instance)
        assert operation.state == Operation.State.QUEUED, number
        assert operation.reason.startswith("Server memory ")
        pass_time(timedelta(hours=2))
    assert instance.state != Instance.State.DELETED
    memory_engine.faults.is_unavailable = False
    assert work_off(instance).state == Operation.State.SUCCEEDED
    assert memory_engine.observe(str(instance.pk)).is_gone


@pytest.mark.parametrize("error", [TryLater("still in use"), GiveUp("the engine refuses that")])
def test_a_deletion_waits_for_whatever_is_in_its_way(
    error: Exception,
    order: Order,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    instance = order("book")
    work_off(instance)
    instances.delete(instance=instance, confirmation="book", actor=actor)

    def refuse(line: str) -> None:
        raise error

    memory_engine.faults.before_change = refuse
    for _ in range(2 * runner.MAX_ATTEMPTS):
        operation = work_off(instance)
        assert (operation.state, operation.reason) == ("queued", str(error))
        pass_time(timedelta(hours=3))
    memory_engine.faults.before_change = lambda line: None
    assert work_off(instance).state == Operation.State.SUCCEEDED


def test_a_round_is_taken_by_one_and_by_none_while_it_is_silent(memory_server: Server) -> None:
    every = timedelta(seconds=30)
    pass_time()
    assert servers.take_round(server=memory_server, every=every)
    assert not servers.take_round(server=memory_server, every=every)
    _silence(memory_server, 3)
    Server.objects.update(reconcile_at=timezone.now())
    assert not servers.take_round(server=memory_server, every=every)
    pass_time(timedelta(minutes=1))
    memory_server.refresh_from_db()
    assert servers.take_round(server=memory_server, every=every)
