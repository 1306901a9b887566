"""Clients that go on posting while their instance is away for a change."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from pytest_django import Settings

from hosting import tasks
from hosting.models import Instance, Operation, OperationStep
from hosting.selectors.instances import hostname
from hosting.services import instances
from hosting.services.working import operations
from tenants.services.actors import Actor
from tests.journeys.portal import Edge, Worker, wait_until
from tests.journeys.posting import CLIENTS, Hold, Posters, sign, signed

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]


def _reread(operation: Operation) -> Operation:
    operation.refresh_from_db()
    return operation


def start(worker: Worker) -> None:
    """Start it and wait until it listens, which takes long on a busy machine."""
    worker.start()
    wait_until(lambda: " ready." in worker.log.read_text(), seconds=120, what="the worker listens")


def _done(operation: Operation, step: str) -> bool:
    return operation.steps.filter(name=step, state=OperationStep.State.DONE).exists()


@pytest.mark.parametrize("killed_after", [None, "stop"])
def test_no_post_is_lost_or_doubled_while_the_instance_restarts(
    killed_after: str | None,
    edge: Edge,
    hold: Hold,
    worker: Worker,
    running: Order,
    actor: Actor,
    settings: Settings,
) -> None:
    settings.BERTH_LEASE = timedelta(seconds=4)  # so that a killed worker is missed soon
    instance = running("book")
    start(worker)
    posters = Posters(f"http://127.0.0.1:{edge.port}/entries", hostname(instance))
    with posters.posting():
        wait_until(lambda: len(posters.answers) > CLIENTS, seconds=30, what="entries are signed")
        operation = instances.restart(instance=instance, actor=actor)
        if killed_after:
            wait_until(lambda: _done(operation, killed_after), seconds=120, what=killed_after)
            worker.kill()
            worker.start()
        wait_until(lambda: not _reread(operation).is_active, seconds=180, what="it ends")
        after = len(posters.answers) + CLIENTS * 2
        wait_until(lambda: len(posters.answers) > after, seconds=60, what="entries are signed")

    assert operation.state == Operation.State.SUCCEEDED, operation.reason
    assert operation.attempt == (2 if killed_after else 1)
    assert not posters.errors
    assert {each.status for each in posters.answers} == {201}
    assert signed(edge, instance) == Counter(each.text for each in posters.answers)
    instance.refresh_from_db()
    assert (instance.is_routed, instance.is_held) == (True, False)
    step = operation.steps.get(name="hold")
    assert (step.title, step.state) == ("Hold requests", OperationStep.State.DONE)
    # Else nothing was held, and the test would prove nothing.
    assert f"{CLIENTS} held, now app" in hold.log.read_text()
    _tell(operation, posters)


def _tell(operation: Operation, posters: Posters) -> None:
    """The figures of docs/edge.md; `pytest -s` shows them."""
    spans = {
        each.name: each.finished_at - each.started_at
        for each in operation.steps.all()
        if each.finished_at and each.started_at
    }
    waits = sorted(each.seconds for each in posters.answers)
    print(
        f"\n{len(waits)} posts, {CLIENTS} held for up to {waits[-1]:.2f} s, the others at most"
        f" {waits[-CLIENTS - 1]:.3f} s; steps:"
        f" { {name: round(span.total_seconds(), 2) for name, span in spans.items() if span} }"
    )


def test_a_restart_that_ends_badly_shows_the_page_to_those_who_waited(
    edge: Edge, hold: Hold, worker: Worker, running: Order, actor: Actor
) -> None:
    instance = running("book")
    definition = instance.definition
    definition["services"]["web"]["environment"]["FAIL_START"] = "1"
    Instance.objects.filter(pk=instance.pk).update(definition=definition)
    start(worker)
    operation = instances.restart(instance=instance, actor=actor)
    wait_until(lambda: _done(operation, "stop"), seconds=120, what="it is stopped")
    url, host = f"http://127.0.0.1:{edge.port}/entries", hostname(instance)
    with ThreadPoolExecutor(1) as client:
        held = client.submit(sign, url, host, "Hello")
        time.sleep(1)
        assert not held.done()
        operations.cancel(operation_id=operation.pk, actor=actor)
        answer = held.result(120)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "could not be started" in answer.text
    assert _reread(operation).state == Operation.State.CANCELLED


def test_a_holding_process_that_is_ended_or_killed_refuses_and_never_hangs(
    edge: Edge, hold: Hold, running: Order, order: Order, worker: Worker, actor: Actor
) -> None:
    instance = running("book")
    operation = Operation.objects.create(
        instance=instance, kind=Operation.Kind.RESTART, requested_by_label="test"
    )
    instances.hold(instance=instance, operation_id=operation.pk)
    tasks.publish_edge()
    name = hostname(instance)
    for signum, status in ((signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)):
        with ThreadPoolExecutor(1) as client:
            held = client.submit(edge.ask, name)
            time.sleep(1)
            assert not held.done()
            assert hold.end(signum) == status
            answer = held.result(20)
        for each in (answer, edge.ask(name)):  # the second finds nobody to ask
            assert (each.status_code, each.headers["Retry-After"]) == (503, "30")
            assert "is starting" in each.text
        hold.start()
