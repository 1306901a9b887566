"""Ten instances are being provisioned when a part dies that all of them need."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from django.db import connections

from hosting.models import Operation, OperationStep
from tests.chaos import evidence, fleet, verdict
from tests.chaos.engine import LOCAL
from tests.chaos.fleet import Fleet
from tests.chaos.installation import Installation
from tests.chaos.private_engine import PrivateEngine
from tests.chaos.subject import Subject
from tests.chaos.waiting import NotInTime, wait_until

IMAGE = "berth.local/redis:7"
INSTANCES = 10
# With fewer workers than instances, there are bells for Redis to forget.
WORKERS = {"redis": 3, "postgres": INSTANCES, "engine": INSTANCES}
REDIS_IS_AWAY_FOR = 3.0  # seconds
PATIENCE = 600


def main(made: Installation, options: argparse.Namespace) -> bool:
    """Break the part in the middle; whether all ten ended right."""
    with _engine(made, options.part) as private:
        breaks: dict[str, Callable[[], None]] = {
            "redis": lambda: _break_redis(made),
            "postgres": lambda: _break_postgres(made),
            "engine": lambda: _break_engine(private),
        }
        world = Fleet.found(private.endpoint if private else LOCAL)
        faults = verdict.tell(_run(made, world, WORKERS[options.part], breaks[options.part]))
        faults += verdict.tell(evidence.wrong_with_whole(made.owner, [world.server.endpoint]))
    return not faults


def _run(
    made: Installation, world: Fleet, workers: int, break_it: Callable[[], None]
) -> Iterator[str]:
    worker = made.worker(concurrency=workers)
    for part in (worker, made.beat(), made.watch()):
        part.start()
    wait_until(lambda: " ready." in worker.log_tail(), seconds=180, what="the worker listens")
    subjects = [Subject(world, f"app-{number}") for number in range(INSTANCES)]
    asked = [subject.ask(Operation.Kind.PROVISION) for subject in subjects]
    wait_until(_is_in_the_middle, seconds=180, what="it is in the middle", pause=0.01)
    print("broken while they stood at:", ", ".join(_standings()))
    break_it()
    began = time.monotonic()
    try:
        wait_until(_is_over, seconds=PATIENCE, what="all of them end")
        print(
            f"all ended {time.monotonic() - began:.1f} s after that; attempts:", *_attempts(asked)
        )
        wait_until(lambda: not any(map(_is_away, subjects)), seconds=PATIENCE, what="all are up")
        print(f"all were up {time.monotonic() - began:.1f} s later")
    except NotInTime as late:
        yield from (str(late), *evidence.histories(Operation.objects.all()))
    yield from made.wrong_with_parts()
    made.kill_all()
    for subject, operation in zip(subjects, asked, strict=True):
        yield from (f"{subject.instance}: {fault}" for fault in subject.faults(operation))


def _is_in_the_middle() -> bool:
    """Some of them start their services already, and none has ended."""
    starting = OperationStep.objects.filter(name="start", state=OperationStep.State.RUNNING)
    return starting.count() >= 2


def _is_over() -> bool:
    """Repairs included: an engine that was killed does not start its containers again."""
    return not Operation.objects.filter(finished_at=None).exists()


def _standings() -> Iterator[str]:
    for operation in Operation.objects.order_by("requested_at"):
        begun = operation.steps.exclude(state=OperationStep.State.PENDING).last()
        yield begun.name if begun and operation.is_active else operation.state


def _attempts(asked: Sequence[Operation]) -> list[int]:
    return [fleet.reread(each).attempt for each in asked]


def _is_away(subject: Subject) -> bool:
    """Whether something of it is missing or stands still."""
    return any(evidence.wrong_with_objects(subject.instance))


def _break_redis(made: Installation) -> None:
    """It forgets everything, is killed, and is empty when it comes back."""
    made.broker.client.flushall()
    made.broker.crash()
    time.sleep(REDIS_IS_AWAY_FOR)
    made.broker.start()


def _break_postgres(made: Installation) -> None:
    """All connections end at once, and it recovers from its log: ``restart -m immediate``."""
    made.database.crash()
    made.database.start()
    connections.close_all()


def _break_engine(private: PrivateEngine | None) -> None:
    """dockerd and containerd are killed, and started again."""
    assert private is not None
    private.crash()
    private.start()


@contextmanager
def _engine(made: Installation, part: str) -> Iterator[PrivateEngine | None]:
    """An engine that may be broken, where that is the part; the machine's own is everybody's."""
    if part != "engine":
        yield None
        return
    private = PrivateEngine(made.directory / "engine", made.owner)
    try:
        private.start()
        private.load(IMAGE)
        yield private
    finally:
        private.stop()
