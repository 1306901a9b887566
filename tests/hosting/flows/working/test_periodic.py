"""What is done again and again may be done twice, late, or by anyone."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from hosting import tasks
from hosting.engines.memory import MemoryEngine
from hosting.flows.watching import reconcile
from hosting.flows.working import periodic
from hosting.models import Chore, Drift, Instance, Operation, Server, UsageMark, UsageSum
from hosting.selectors import clock
from hosting.services.measuring import usage_counters
from hosting.services.measuring.usage_counters import Reading
from hosting.services.working import doorbell, fleet
from tenants.services.actors import Actor
from tests.hosting.rounds import pass_time
from tests.tenants.threads import at_once

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    """The operations that were rung for."""
    heard: list[uuid.UUID] = []
    monkeypatch.setattr(doorbell, "ring", lambda *, operation_id: heard.append(operation_id))
    return heard


def test_a_bell_that_was_lost_is_rung_again(
    order: Order, memory_server: Server, rung: list[uuid.UUID]
) -> None:
    operation = order("book").operations.get()
    assert not rung  # nothing is committed in this test, so that no bell was rung
    periodic.sweep()
    tasks.sweep()
    assert rung == [operation.pk] * 2
    assert Operation.objects.get().attempt == 0


def test_an_error_in_one_fleet_action_keeps_neither_bells_nor_other_actions_back(
    order: Order,
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    rung: list[uuid.UUID],
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    instance = order("book")
    work_off(instance)
    fleet.begin_on_server(server=memory_server, kind="restart", actor=actor)

    def fail(**arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(fleet, "advance", fail)
    periodic.sweep()
    assert rung == [instance.operations.get(kind="restart").pk]
    assert "could not go on" in caplog.text


def test_a_server_that_nobody_watches_is_compared_once_it_is_late(
    order: Order, memory_engine: MemoryEngine, memory_server: Server, work_off: WorkOff
) -> None:
    instance = order("book")
    work_off(instance)
    memory_engine.hands.kill(str(instance.pk), "web")
    Server.objects.update(reconcile_at=timezone.now())
    Operation.objects.update(finished_at=timezone.now() - timedelta(minutes=1))
    periodic.reconcile_overdue()
    assert not Drift.objects.exists()  # it may still be watched
    pass_time(periodic.OVERDUE_AFTER)
    periodic.reconcile_overdue()
    tasks.reconcile_overdue()
    assert Drift.objects.count() == 1
    assert instance.operations.filter(kind="repair").count() == 1
    memory_server.refresh_from_db()
    assert memory_server.reconcile_at > timezone.now()


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_compare_a_late_server_once(
    memory_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[Server] = []
    monkeypatch.setattr(reconcile, "whole", compared.append)
    pass_time(timedelta(hours=1))
    for future in at_once(*[periodic.reconcile_overdue] * 4):
        future.result()
    assert compared == [memory_server]


def test_a_server_where_comparing_fails_keeps_no_other_from_it(
    memory_server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad = Server.objects.create(name="a-first", engine="memory", memory_mb=1, disk_gb=1)
    whole = reconcile.whole

    def fail_on_one(server: Server) -> object:
        if server == bad:
            raise ZeroDivisionError
        return whole(server)

    monkeypatch.setattr(reconcile, "whole", fail_on_one)
    pass_time(timedelta(hours=1))
    periodic.reconcile_overdue()
    memory_server.refresh_from_db()
    assert memory_server.reconciled_at is not None
    assert "a-first could not be compared" in caplog.text


def test_a_silent_server_is_left_alone_until_its_time(
    memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.faults.is_unavailable = True
    for _ in range(3):
        pass_time(timedelta(minutes=1))
        periodic.reconcile_overdue()
    memory_server.refresh_from_db()
    assert (memory_server.failures, memory_server.is_silent) == (3, True)
    memory_engine.faults.is_unavailable = False
    Server.objects.update(
        reconcile_at=timezone.now() - timedelta(minutes=1),
        retry_at=timezone.now() + timedelta(minutes=1),
    )
    periodic.reconcile_overdue()
    memory_server.refresh_from_db()
    assert memory_server.failures == 3
    pass_time(timedelta(minutes=2))
    periodic.reconcile_overdue()
    memory_server.refresh_from_db()
    assert (memory_server.failures, memory_server.is_silent) == (0, False)


def test_chores_are_done_once_a_night_and_one_that_fails_keeps_no_other_back(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    def fail() -> None:
        raise ValueError("no")

    night = periodic.NIGHTLY
    listed = {"bad": (night, fail), "good": (night, lambda: done.append("good"))}
    monkeypatch.setattr(periodic, "CHORES", listed)
    periodic.do_chores()
    tasks.do_chores()
    assert done == ["good"]
    assert Chore.objects.get(name="bad").last_error == "ValueError: no"
    assert "the chore bad failed" in caplog.text


def test_the_chores_that_there_are_can_be_done(db: None) -> None:
    periodic.do_chores()
    assert set(Chore.objects.filter(last_error="").values_list("name", flat=True)) == {
        *periodic.CHORES
    }
    assert not Chore.objects.filter(last_ended_at=None).exists()


def test_sums_of_usage_are_dated_by_the_clock_that_all_workers_share(
    order: Order, memory_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose own clock is ahead would have what others sum up after it left unpriced."""
    reading = Reading(series="runs", meter="executions", label="", value=1)
    usage_counters.record(instance=order("book"), readings=[reading], read_at=clock.shared_now())
    right, ahead = timezone.now, timedelta(minutes=10)
    monkeypatch.setattr(timezone, "now", lambda: right() + ahead)
    _, count = periodic.CHORES["count-usage"]
    count()
    assert not UsageMark.objects.exists()
    dated = UsageSum.objects.values_list("computed_at", flat=True)
    assert max(dated) <= clock.shared_now()
