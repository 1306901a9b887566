"""Many instances on one server: none keeps another from being seen, and a round stays cheap."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hosting.engines.errors import GiveUp
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ObjectKind
from hosting.flows.watching import reconcile
from hosting.models import Drift, Instance, Operation, Plan, Server
from tests.conftest import OWNER
from tests.hosting.rounds import one_round, pass_time

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db


def test_two_looks_at_the_same_time_keep_other_instances_apart(
    book: Instance,
    other: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
) -> None:
    """A closer look after an event concerns what the event named, and nothing else."""
    for each in (book, other):
        memory_engine.hands.kill(str(each.pk), "web")
    pass_time()
    reconcile.some(memory_server, [str(book.pk)], {})
    assert Drift.objects.get().instance == book


def test_an_event_about_no_instance_keeps_nothing_from_being_seen(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    """Anybody can start a container with any label."""
    memory_engine.hands.kill(str(book.pk), "web")
    pass_time()
    reconcile.some(memory_server, ["", "not-an-instance", str(book.pk)], {})
    assert Drift.objects.get().instance == book


def test_one_instance_that_cannot_be_compared_keeps_no_other_from_it(
    book: Instance,
    other: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    caplog: pytest.LogCaptureFixture,
) -> None:
    Instance.objects.filter(pk=book.pk).update(expected={"nonsense": 1})
    memory_engine.hands.kill(str(other.pk), "web")
    memory_engine.hands.add_stray(ObjectKind.CONTAINER, "stray", owner=OWNER)
    assert one_round(memory_server) is not None
    assert Drift.objects.get().instance == other
    assert memory_server.strays.count() == 1
    assert str(book.pk) in caplog.text


def test_one_that_the_engine_cannot_tell_about_keeps_no_other_from_it(
    book: Instance,
    other: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    observe = memory_engine.observe

    def look(instance: str) -> object:
        if instance == str(book.pk):
            raise GiveUp("that container can't be read")
        return observe(instance)

    monkeypatch.setattr(memory_engine, "observe", look)
    for each in (book, other):
        memory_engine.hands.kill(str(each.pk), "web")
    one_round(memory_server)
    assert Drift.objects.get().instance == other


@pytest.fixture
def many(
    order: Order, small: Plan, memory_server: Server, memory_engine: MemoryEngine, work_off: WorkOff
) -> Callable[[int], None]:
    """Bring so many instances up."""

    def bring_up(count: int) -> None:
        Server.objects.update(cpus=1000, memory_mb=2**20, disk_gb=10**5)
        for number in range(count):
            work_off(order(f"book-{Instance.objects.count()}-{number}"))

    return bring_up


def test_a_whole_round_asks_ten_questions_at_most_however_much_runs(
    many: Callable[[int], None], memory_server: Server
) -> None:
    many(3)
    few = _queries(memory_server, instances=3)
    many(27)
    many_more = _queries(memory_server, instances=30)
    assert many_more == few
    assert few <= 10


def _queries(server: Server, *, instances: int) -> int:
    pass_time()
    server.refresh_from_db()
    with CaptureQueriesContext(connection) as asked:
        seen = reconcile.whole(server)
    assert seen == reconcile.Round(instances=instances, drifted=0)
    return len(asked)


def test_each_instance_gets_its_closer_look_even_where_every_second_round_is_left_out(
    many: Callable[[int], None],
    memory_engine: MemoryEngine,
    memory_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Changed limits show in no list; without the watch process a round comes once a minute."""
    many(8)
    monkeypatch.setattr(reconcile, "CLOSER_LOOKS", 6)  # of 24 containers: four turns
    observed = memory_engine.observe_all(OWNER)
    start = timezone.now()
    looked: set[str] = set()
    for minute in range(2):
        now = start + timedelta(minutes=minute)
        looked |= reconcile._due_for_a_closer_look(
            observed, since=now - timedelta(minutes=1), now=now
        )
    assert looked == set(observed)
