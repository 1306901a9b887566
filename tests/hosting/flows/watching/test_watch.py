"""Watching a server: what happens there is looked at at once, whatever breaks meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError

from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import Event, ObjectKind
from hosting.flows.watching import reconcile, watch
from hosting.flows.watching.watch import Deaths, ServerWatch
from hosting.models import Crash, Drift, Instance, Operation, Server
from hosting.services import servers
from tests.conftest import OWNER
from tests.hosting.rounds import pass_time

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]

START = datetime(2026, 1, 1, tzinfo=UTC)


def _deaths(*events: tuple[float, str]) -> dict[str, list[str]]:
    """Of a service to which that happened, so many seconds after the start, one minute later."""
    deaths = Deaths()
    for seconds, action in events:
        deaths.notice(Event("i", "web", action, START + timedelta(seconds=seconds)))
    last = max(seconds for seconds, _ in events)
    return deaths.loops(START + timedelta(seconds=last + 60))


def test_five_deaths_within_ten_minutes_are_a_loop() -> None:
    assert _deaths(*((60 * number, "die") for number in range(5))) == {"i": ["web"]}
    assert _deaths(*((60 * number, "die") for number in range(4))) == {}
    assert _deaths(*((200 * number, "die") for number in range(9))) == {}


def test_a_death_that_somebody_wished_is_none() -> None:
    stops = [(100 * number + part, what) for number in range(6) for part, what in ENDED_BY_HAND]
    assert _deaths(*stops) == {}


ENDED_BY_HAND = ((0, "kill"), (1, "die"), (2, "stop"), (3, "start"))


@pytest.mark.parametrize("action", ["restart", "stop", "create"])
def test_deaths_from_before_somebody_put_it_in_order_count_no_more(action: str) -> None:
    died = [(float(number), "die") for number in range(9)]
    assert _deaths(*died) == {"i": ["web"]}
    assert _deaths(*died, (10, action), (60, "die")) == {}


def test_a_new_container_that_ends_at_once_is_a_loop_all_the_same() -> None:
    died = [(float(number), "die") for number in range(1, 7)]
    assert _deaths((0, "create"), *died) == {"i": ["web"]}


def test_what_is_remembered_does_not_grow_with_the_years() -> None:
    deaths = Deaths()
    for number in range(1000):
        for action in ("kill", "die", "die"):
            at = START + timedelta(minutes=number)
            deaths.notice(Event(f"i{number}", "web", action, at))
    deaths.loops(START + timedelta(days=1))
    assert not deaths._at
    assert not deaths._told_at


@pytest.fixture
def book(
    transactional_db: None, order: Order, memory_engine: MemoryEngine, work_off: WorkOff
) -> Instance:
    instance = order("book")
    work_off(instance)
    pass_time()
    return instance


@contextmanager
def _watching(server: Server) -> Iterator[ServerWatch]:
    server.refresh_from_db()
    watching = ServerWatch(server)
    watching.start()
    try:
        yield watching
    finally:
        watching.end()
        for thread in watching._threads:
            thread.join(30)
            assert not thread.is_alive()


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


def _asked_for_a_repair(instance: Instance) -> bool:
    return instance.operations.filter(kind="repair").exists()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pretended stream breaks all the time; it is taken up again at once."""
    monkeypatch.setattr(watch, "LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 0.2)


@pytest.fixture
def no_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found, is found by an event."""
    monkeypatch.setattr(reconcile, "whole", lambda server: None)


@pytest.mark.usefixtures("soon", "no_rounds")
def test_what_an_event_names_is_looked_at_at_once(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    with _watching(memory_server):
        memory_engine.hands.kill(str(book.pk), "web")
        _wait(lambda: _asked_for_a_repair(book), "the repair was asked for")
    assert Drift.objects.get().kind == "stopped"
    assert not Crash.objects.exists()  # somebody killed it
    memory_server.refresh_from_db()
    assert memory_server.events_until is not None


@pytest.mark.usefixtures("soon", "no_rounds")
def test_a_death_for_want_of_memory_is_written_down_once(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    servers.record_events_until(server=memory_server, at=datetime.now(UTC))
    with _watching(memory_server), _watching(memory_server):
        memory_engine.hands.kill(str(book.pk), "web", oom=True)
        _wait(lambda: _asked_for_a_repair(book), "the repair was asked for")
        _wait(lambda: Crash.objects.count() == 2, "both were written down")
    assert set(Crash.objects.values_list("service", "kind")) == {
        ("web", "out_of_memory"),
        ("web", "ended"),
    }


@pytest.mark.usefixtures("soon", "no_rounds")
def test_what_happened_while_nobody_watched_is_heard_of_afterwards(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    servers.record_events_until(server=memory_server, at=datetime.now(UTC))
    memory_engine.hands.kill(str(book.pk), "web")
    with _watching(memory_server):
        _wait(lambda: _asked_for_a_repair(book), "the repair was asked for")


@pytest.mark.usefixtures("soon", "no_rounds")
def test_an_event_with_a_made_up_label_keeps_nothing_from_being_seen(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    with _watching(memory_server):
        for number in range(3):
            memory_engine.hands.add_stray(
                ObjectKind.CONTAINER, f"alien-{number}", owner=OWNER, instance="made-up"
            )
        memory_engine.hands.kill(str(book.pk), "web")
        _wait(lambda: _asked_for_a_repair(book), "the repair was asked for")


@pytest.mark.usefixtures("soon")
def test_the_stream_the_engine_and_the_database_may_break(
    book: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    taken, left = servers.take_round, [OperationalError("gone away"), RuntimeError("a bug")]

    def fail_at_first(**arguments: object) -> bool:
        if left:
            raise left.pop()
        return taken(**arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(servers, "take_round", fail_at_first)
    with _watching(memory_server):
        memory_engine.faults.is_unavailable = True
        _wait(lambda: "does not answer" in caplog.text, "the silence was noticed")
        _wait(lambda: not left, "the database went away")
        memory_engine.faults.is_unavailable = False
        memory_engine.hands.kill(str(book.pk), "web")
        _wait(lambda: _asked_for_a_repair(book), "the repair was asked for")


@pytest.mark.usefixtures("soon")
def test_a_watched_server_is_compared_whole_even_where_nothing_happens(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    """A network that is removed tells no event of a container."""
    memory_engine.hands.remove_network(f"{book.project}-backend")
    with _watching(memory_server):
        _wait(lambda: _asked_for_a_repair(book), "the repair was asked for")
    memory_server.refresh_from_db()
    assert memory_server.reconciled_at is not None


@pytest.mark.usefixtures("soon")
def test_two_processes_that_watch_the_same_server_do_no_harm(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    with _watching(memory_server), _watching(memory_server):
        memory_engine.hands.kill(str(book.pk), "web")
        memory_engine.hands.kill(str(book.pk), "db")
        _wait(lambda: _asked_for_a_repair(book), "the repair was asked for")
        _wait(lambda: Drift.objects.count() == 2, "both were found")
        time.sleep(1)  # both processes have had their look
    assert book.operations.filter(kind="repair").count() == 1
    assert Drift.objects.count() == 2


@pytest.mark.usefixtures("soon")
def test_watching_a_server_that_is_removed_ends_by_itself(
    transactional_db: None, memory_server: Server, memory_engine: MemoryEngine
) -> None:
    watching = ServerWatch(memory_server)
    watching.start()
    memory_server.delete()
    for thread in watching._threads:
        thread.join(30)
        assert not thread.is_alive()
