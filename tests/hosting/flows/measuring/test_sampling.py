"""Reading servers: each round once, none held up by another, a few queries however many."""

from __future__ import annotations

import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hosting.engines.base import Engine
from hosting.engines.errors import EngineUnavailable
from hosting.engines.memory import MemoryEngine
from hosting.flows.engines import engine_for
from hosting.flows.measuring import sampling
from hosting.flows.measuring.sampling import ServerSampling
from hosting.flows.working import periodic
from hosting.models import (
    ContainerHealth,
    ContainerLook,
    Crash,
    DirtyQuarter,
    Instance,
    Operation,
    ResourceNow,
    Sample,
    Server,
    VolumeSample,
)
from hosting.services.measuring import samples
from tests.tenants.threads import at_once

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def book(order: Order, memory_engine: MemoryEngine, work_off: WorkOff) -> Instance:
    instance = order("book")
    work_off(instance)
    return instance


def _due(server: Server) -> Server:
    now = timezone.now()
    Server.objects.filter(pk=server.pk).update(sample_at=now, volumes_at=now)
    server.refresh_from_db()
    return server


def test_a_round_writes_a_row_for_each_container_and_marks_the_quarter(
    book: Instance, memory_server: Server, memory_engine: MemoryEngine
) -> None:
    before = timezone.now()
    assert sampling.read_if_due(_due(memory_server))
    services = memory_engine.observe(str(book.pk)).services
    rows = Sample.objects.filter(instance=book)
    assert {each.service for each in rows} == {each.name for each in services}
    assert len({each.at for each in rows}) == 1
    assert {each.memory_limit_bytes for each in rows} != {None}
    (dirty,) = DirtyQuarter.objects.all()
    assert (dirty.instance_id, dirty.at.minute % 15, dirty.at.second) == (book.pk, 0, 0)
    memory_server.refresh_from_db()
    assert memory_server.sampled_at is not None
    assert memory_server.sampled_at >= before


def test_a_round_is_not_due_again_before_its_time(book: Instance, memory_server: Server) -> None:
    server = _due(memory_server)
    due_at = server.sample_at
    assert sampling.read_if_due(server)
    assert not sampling.read_if_due(server)
    server.refresh_from_db()
    assert server.sample_at == due_at + timedelta(seconds=15)


def test_rounds_that_were_missed_are_not_made_up(book: Instance, memory_server: Server) -> None:
    Server.objects.update(sample_at=timezone.now() - timedelta(hours=1))
    assert sampling.read_if_due(memory_server)
    assert not sampling.read_if_due(memory_server)


def test_a_silent_server_is_left_alone(memory_server: Server) -> None:
    Server.objects.update(retry_at=timezone.now() + timedelta(minutes=1))
    assert not sampling.read_if_due(_due(memory_server))
    assert not sampling.measure_if_due(memory_server)


def test_one_that_does_not_answer_says_so_and_leaves_nothing(
    book: Instance, memory_server: Server, memory_engine: MemoryEngine
) -> None:
    memory_engine.faults.is_unavailable = True
    with pytest.raises(EngineUnavailable):
        sampling.read_if_due(_due(memory_server))
    memory_server.refresh_from_db()
    assert memory_server.sampled_at is None
    assert not Sample.objects.exists()


def test_volumes_are_measured_those_first_that_were_longest_ago(
    book: Instance, order: Order, memory_server: Server, memory_engine: MemoryEngine
) -> None:
    volume = memory_engine.observe(str(book.pk)).volumes[0]
    memory_engine.hands.fill(volume, b"x" * 512)
    assert sampling.measure_if_due(_due(memory_server))
    assert VolumeSample.objects.get().used_bytes == 512
    assert ResourceNow.objects.get().volume_bytes == 512
    other = order("other")
    assert samples.to_read(server=memory_server) == (str(other.pk), str(book.pk))


def test_a_round_takes_as_many_queries_for_three_instances_as_for_one(
    order: Order, work_off: WorkOff, memory_server: Server, memory_engine: MemoryEngine
) -> None:
    counts = []
    for number in range(1, 4):
        work_off(order(f"book-{number}"))
        with CaptureQueriesContext(connection) as queries:
            assert sampling.read_if_due(_due(memory_server))
        counts.append(len(queries) - 2)  # those of making it due
    assert counts == [6, 6, 6]


def test_what_was_read_is_rolled_up_by_whoever_asks_first(
    book: Instance, memory_server: Server
) -> None:
    sampling.read_if_due(_due(memory_server))
    sampling.read_if_due(_due(memory_server))
    periodic.roll_up_samples()
    now = ResourceNow.objects.get(instance=book)
    assert now.cpu_cores is not None
    assert now.cpu_cores > 0


def test_a_crash_counts_once_and_only_an_instances(book: Instance) -> None:
    at = timezone.now()
    for label in (str(book.pk), str(book.pk), str(uuid.uuid4()), "made-up"):
        samples.record_crash(instance=label, service="web", kind=Crash.Kind.ENDED, at=at)
    assert Crash.objects.get().instance == book


@pytest.mark.django_db(transaction=True)
def test_of_several_processes_one_takes_the_round(memory_server: Server) -> None:
    _due(memory_server)
    takers = at_once(*[lambda: samples.take_round(server=memory_server)] * 4)
    assert sum(each.result() for each in takers) == 1


@pytest.mark.django_db(transaction=True)
def test_a_server_that_hangs_holds_up_no_other(
    memory_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Server.objects.create(
        name="other",
        engine=Server.EngineKind.MEMORY,
        endpoint=f"memory:{uuid.uuid4()}",
        cpus=Decimal(1),
        memory_mb=1024,
        disk_gb=10,
        supernet="10.224.0.0/16",
    )
    released = threading.Event()
    monkeypatch.setattr(engine_for(memory_server), "sample", lambda instances: released.wait(60))
    sampled = [ServerSampling(each) for each in (memory_server, other)]
    try:
        for each in sampled:
            each.start()
        until = time.monotonic() + 20
        while Server.objects.get(pk=other.pk).sampled_at is None:
            assert time.monotonic() < until, "the other server was never sampled"
            time.sleep(0.05)
        assert Server.objects.get(pk=memory_server.pk).sampled_at is None
    finally:
        for each in sampled:
            each.end()
        monkeypatch.undo()
        released.set()
        for each in sampled:
            for thread in each._threads:
                thread.join(timeout=20)


@pytest.mark.parametrize("apart", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_machine_whose_clock_is_wrong_reads_nothing(
    book: Instance,
    memory_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    apart: timedelta,
) -> None:
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + apart)
    sampled = ServerSampling(_due(memory_server))
    Server.objects.update(sample_at=right())
    assert sampled._look(sampling.read_if_due, "sample_at") == sampling.LATEST
    assert not Sample.objects.exists()
    assert "this machine's clock and the database's are" in caplog.text
    monkeypatch.undo()
    sampled._look(sampling.read_if_due, "sample_at")
    assert Sample.objects.exists()


def _connected() -> int:
    """How many others are connected to the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_threads_that_wait_hold_no_connection(
    memory_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = timezone.now() + timedelta(hours=1)
    Server.objects.update(sample_at=later, volumes_at=later)
    asked: list[str] = []
    for name in ("read_if_due", "measure_if_due"):
        monkeypatch.setattr(sampling, name, lambda _, name=name: asked.append(name))
    sampled = ServerSampling(memory_server)
    sampled.start()
    try:
        until = time.monotonic() + 20
        while len(set(asked)) < 2 or _connected():
            assert time.monotonic() < until, "connections are held"
            time.sleep(0.05)
    finally:
        sampled.end()
        for thread in sampled._threads:
            thread.join(timeout=20)


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_while_volumes_are_measured(
    memory_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, released = threading.Event(), threading.Event()

    def measure(instances: tuple[str, ...], *, within: timedelta) -> dict[str, int]:
        asked.set()
        released.wait(60)
        return {}

    monkeypatch.setattr(engine_for(memory_server), "volume_sizes", measure)
    Server.objects.update(volumes_at=timezone.now(), sample_at=timezone.now() + timedelta(hours=1))
    sampled = ServerSampling(memory_server)
    sampled.start()
    try:
        assert asked.wait(20)
        until = time.monotonic() + 20
        while _connected():
            assert time.monotonic() < until, "a connection is held"
            time.sleep(0.05)
        assert not released.is_set()
    finally:
        sampled.end()
        released.set()
        for thread in sampled._threads:
            thread.join(timeout=20)


def test_a_container_that_was_killed_is_seen_within_one_round(
    book: Instance, memory_server: Server, memory_engine: MemoryEngine
) -> None:
    sampling.read_if_due(_due(memory_server))
    assert ContainerHealth.objects.get(instance=book).is_well
    memory_engine.hands.kill(str(book.pk), "db")
    sampling.read_if_due(_due(memory_server))
    now = ContainerHealth.objects.get(instance=book)
    assert (now.is_well, now.faults) == (False, "db exited (137)")


def test_a_server_that_does_not_answer_is_no_look_at_its_containers(
    book: Instance, memory_server: Server, memory_engine: MemoryEngine
) -> None:
    memory_engine.faults.is_unavailable = True
    with pytest.raises(EngineUnavailable):
        sampling.read_if_due(_due(memory_server))
    assert not ContainerHealth.objects.exists()
    assert not ContainerLook.objects.exists()


@pytest.mark.docker
def test_a_real_container_that_was_killed_is_seen_within_one_round(
    order: Order, docker_server: Server, docker_engine: Engine, work_off: WorkOff
) -> None:
    instance = order("book")
    work_off(instance)
    sampling.read_if_due(_due(docker_server))
    total = len(instance.expected["services"])
    assert ContainerHealth.objects.get().shown == f"{total} of {total} running"
    web = docker_engine.observe(str(instance.pk)).service("web")
    assert web is not None
    subprocess.run(["docker", "kill", web.container_id], check=True, capture_output=True)
    sampling.read_if_due(_due(docker_server))
    shown = ContainerHealth.objects.get().shown
    assert shown == f"{total - 1} of {total} running: web exited (137)"
    subprocess.run(["docker", "start", web.container_id], check=True, capture_output=True)
    sampling.read_if_due(_due(docker_server))
    assert ContainerHealth.objects.get().is_well
