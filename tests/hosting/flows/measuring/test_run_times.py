"""Asking apps' databases for their runs: each is counted once, in its own time."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from hosting.engines.errors import TryLater
from hosting.engines.observed import RunResult
from hosting.flows.measuring import run_times
from hosting.models import Instance, Server, UsageCounter, UsageEvent
from hosting.services.measuring import run_times as services
from hosting.services.measuring import usage_counters
from hosting.services.measuring.usage_counters import Reading

RUNS = {"service": "db", "database": "n8n", "user": "n8n", "meter": "execution_seconds"}
MINUTE = timedelta(minutes=1)
NAIVE = '[["1", "2026-03-01T12:00:00", 1, ""]]'


class Databases:
    """What is answered to whom, and what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {}
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def run(
        self, instance: str, service: str, command: tuple[str, ...], *, timeout: timedelta
    ) -> RunResult:
        self.asked.append((instance, command))
        answer = self.answers.get(instance, [])
        if isinstance(answer, Exception):
            raise answer
        return RunResult(0, answer if isinstance(answer, str) else json.dumps(answer))


@pytest.fixture
def databases(monkeypatch: pytest.MonkeyPatch) -> Databases:
    found = Databases()
    monkeypatch.setattr(run_times, "engine_for", lambda server: found)
    return found


@pytest.fixture
def running(
    order: Callable[..., Instance], memory_server: Server, databases: Databases
) -> Callable[..., Instance]:
    """An instance that runs, and whose app keeps its runs."""

    def bring_up(name: str = "book") -> Instance:
        instance = order(name)
        instance.definition["berth"]["runs"] = [{**RUNS, "sql": "SELECT * FROM run"}]
        instance.web_address, instance.web_port, instance.is_routed = "10.0.0.2", 8000, True
        instance.created_at = timezone.now() - timedelta(days=1)
        instance.save()
        return instance

    return bring_up


def run(
    name: str, ago: timedelta = MINUTE, seconds: object = 1.5, label: str = "success"
) -> list[Any]:
    return [name, (timezone.now() - ago).isoformat(), seconds, label]


def counted() -> list[tuple[str, float]]:
    return list(UsageEvent.objects.order_by("at").values_list("label", "amount"))


def test_each_run_counts_once_and_when_it_ended(
    running: Callable[..., Instance], databases: Databases
) -> None:
    book = running()
    early, late = run("1", 300 * MINUTE, 2.5), run("2", label="failed")
    databases.answers[str(book.pk)] = [early, late]
    assert run_times.read_all() == 2
    assert run_times.read_all() == 0
    assert counted() == [("success", 2.5), ("failed", 1.5)]
    first = UsageEvent.objects.order_by("at")[0]
    assert (first.at, first.meter) == (datetime.fromisoformat(early[1]), "execution_seconds")


def test_a_number_that_is_given_again_after_a_restore_is_another_run(
    running: Callable[..., Instance], databases: Databases
) -> None:
    book = running()
    databases.answers[str(book.pk)] = [run("1", 2 * MINUTE)]
    run_times.read_all()
    databases.answers[str(book.pk)] = [run("1")]
    assert run_times.read_all() == 1


def test_it_may_only_read_and_asks_from_where_it_left_off(
    running: Callable[..., Instance], databases: Databases
) -> None:
    book = running()
    run_times.read_all()
    run_times.read_all()
    (_, first), (_, second) = databases.asked
    assert first[:2] == (
        "env",
        "PGOPTIONS=-c default_transaction_read_only=on -c statement_timeout=10s",
    )
    assert f"ended_at >= '{book.created_at.isoformat()}'" in first[-1]
    since = UsageCounter.objects.get().read_at - timedelta(minutes=2)
    assert since > timezone.now() - timedelta(minutes=3)
    assert "FROM (SELECT * FROM run) AS run(id, ended_at, seconds, label)" in second[-1]


def test_one_whose_counters_stood_still_is_not_asked(
    running: Callable[..., Instance], databases: Databases
) -> None:
    book = running()
    run_times.read_all()
    reading = Reading(series="runs_total", meter="executions", label="success", value=1)
    at = timezone.now()
    usage_counters.record(instance=book, readings=[reading], read_at=at - 60 * MINUTE)
    assert run_times.read_all() == 0
    assert len(databases.asked) == 1
    usage_counters.record(
        instance=book,
        readings=[Reading(series="runs_total", meter="executions", label="success", value=2)],
        read_at=at,
    )
    run_times.read_all()
    assert len(databases.asked) == 2


def test_what_is_too_much_for_once_goes_on_where_it_ended(
    running: Callable[..., Instance], databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_times, "AT_MOST", 2)
    book = running()
    ends = [run("1", 300 * MINUTE), run("2", 299.9 * MINUTE)]  # many within a short time
    databases.answers[str(book.pk)] = ends
    run_times.read_all()
    since = services.since(instance=book, meter="execution_seconds", now=timezone.now())
    assert since == datetime.fromisoformat(ends[1][1])


@pytest.mark.parametrize(
    "impossible",
    [
        {"ago": timedelta(days=3)},  # before the instance was
        {"ago": -60 * MINUTE},
        {"seconds": -1},
        {"seconds": float("nan")},
        {"seconds": 1e13},
    ],
    ids=str,
)
def test_an_impossible_run_is_left_out(
    running: Callable[..., Instance], databases: Databases, impossible: dict[str, Any]
) -> None:
    book = running()
    databases.answers[str(book.pk)] = [run("1", **impossible), run("2")]
    assert run_times.read_all() == 1


@pytest.mark.parametrize(
    "answer",
    [
        *(TryLater("it is away"), ZeroDivisionError(), ""),
        *("{}x", "3", '[["a"]]', '[[1, "x", 1, ""]]', NAIVE),
    ],
    ids=str,
)
def test_one_that_fails_keeps_no_other_back(
    running: Callable[..., Instance], databases: Databases, answer: object
) -> None:
    dead, well = running("dead"), running("well")
    databases.answers = {str(dead.pk): answer, str(well.pk): [run("1")]}
    assert run_times.read_all() == 1
    assert UsageCounter.objects.get().instance_id == well.pk
