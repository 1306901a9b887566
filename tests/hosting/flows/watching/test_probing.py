"""The probing process: whose turn it is, and one round with a real app in a real container."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from hosting.engines.base import Engine
from hosting.flows.watching.probing import Prober, due
from hosting.models import Health, Incident, Instance, Operation
from hosting.selectors.watching.targets import Target, targets

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
INTERVAL = 15.0


def _target(number: int) -> Target:
    instance = uuid.uuid5(uuid.NAMESPACE_DNS, str(number))
    return Target(instance, "10.208.0.2", 80, "/", "", "x", is_public=False)


@pytest.fixture(scope="module")
def many() -> list[Target]:
    return sorted((_target(each) for each in range(3000)), key=lambda each: each.phase)


def test_each_is_due_once_an_interval_however_the_ticks_fall(many: list[Target]) -> None:
    phases = [each.phase for each in many]
    ticks = [1_000_000.0, 1_000_003.1, 1_000_003.2, 1_000_011.7, 1_000_015.0]
    found = [
        each
        for since, until in pairwise(ticks)
        for each in due(many, phases, since, until, INTERVAL)
    ]
    assert sorted(str(target.instance) for target, _ in found) == sorted(
        str(each.instance) for each in many
    )
    assert all(ticks[0] < at <= ticks[-1] for _, at in found)


def test_they_are_spread_evenly(many: list[Target]) -> None:
    phases = [each.phase for each in many]
    seconds = [len(due(many, phases, float(n), n + 1.0, INTERVAL)) for n in range(15)]
    assert sum(seconds) == 3000
    assert max(seconds) < 1.3 * 3000 / 15


def test_every_process_has_the_same_moments(many: list[Target]) -> None:
    phases = [each.phase for each in many]
    one = due(many, phases, 1_000_000.0, 1_000_009.0, INTERVAL)
    other = due(many, phases, 1_000_003.0, 1_000_012.0, INTERVAL)
    assert set(one) & set(other)
    assert {each for each in one if each[1] > 1_000_003.0} <= set(other)


@pytest.mark.django_db
def test_what_to_look_at_is_one_query(
    order: Order, memory_engine: object, work_off: WorkOff, settings: Settings
) -> None:
    settings.BERTH_EDGE = True
    for name in ("book", "other"):
        Instance.objects.filter(pk=order(name).pk).update(
            state="running",
            first_running_at="2026-01-01T00:00Z",
            web_address="10.208.0.2",
            web_port=8000,
            is_routed=True,
        )
    order("new")
    stopped = order("stopped")
    Instance.objects.filter(pk=stopped.pk).update(state="stopped")
    with CaptureQueriesContext(connection) as asked:
        found = targets()
    assert len(asked) == 1
    assert {each.hostname for each in found} == {"book.acme.localhost", "other.acme.localhost"}
    assert {(each.path, each.port, each.is_public) for each in found} == {("/readyz", 8000, True)}


@pytest.fixture
def probing(settings: Settings) -> Iterator[None]:
    """The process, as a thread, with an interval of a second."""
    settings.BERTH_PROBE_SECONDS = 1
    settings.BERTH_PROBE_TIMEOUT_SECONDS = 0.8
    prober: list[Prober] = []
    loop = asyncio.new_event_loop()

    async def run() -> None:
        prober.append(Prober())
        await prober[0].run()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    yield
    loop.call_soon_threadsafe(prober[0].end)
    thread.join(timeout=30)
    assert not thread.is_alive()
    loop.close()


def _until(happened: Callable[[], bool], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.mark.docker
@pytest.mark.django_db(transaction=True)
def test_a_real_app_is_seen_well_then_down_with_the_cause_then_well_again(
    order: Order, docker_engine: Engine, work_off: WorkOff, probing: None
) -> None:
    instance = order("book")
    assert work_off(instance).state == Operation.State.SUCCEEDED
    _until(lambda: Health.objects.filter(is_up=True, status=200).exists())
    (web,) = (
        each for each in docker_engine.observe(str(instance.pk)).services if each.name == "web"
    )
    subprocess.run(["docker", "kill", web.container_id], check=True, capture_output=True)
    down = Incident.objects.filter(kind=Incident.Kind.INSTANCE_DOWN)
    _until(lambda: down.filter(closed_at=None).exclude(cause="").exists())
    assert "The service web: it was killed from outside (SIGKILL)." in down.get().cause
    subprocess.run(["docker", "start", web.container_id], check=True, capture_output=True)
    _until(lambda: down.filter(closed_at__isnull=False).exists())
    assert list(down.get().events.values_list("kind", flat=True)) == ["opened", "cause", "closed"]
