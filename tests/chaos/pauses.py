"""Workers that are paused past their lease, and go on beside the one that took over."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from django.conf import settings

from hosting.flows.base import Flow
from hosting.flows.moments import Moment
from hosting.flows.working import runner
from hosting.models import Operation, OperationStep
from tenants.models import AuditEvent
from tenants.services import audit
from tests.chaos import engine, fleet
from tests.chaos.fleet import Fleet
from tests.chaos.lives import HELD, NOT_PASSED, Trial
from tests.chaos.subject import Subject
from tests.chaos.waiting import NotInTime, wait_until

APART = 3  # steps between two pauses: each worker but the first goes on where another one stands
MOST = 5  # in one operation: worker after worker that vanishes ends in its being given up


@dataclass(frozen=True)
class Pause:
    """When a worker is stopped: at a moment of a step, or so many seconds after it began."""

    kind: str
    step: str = ""
    moment: Moment | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        at = f"{self.step}/{self.moment}" if self.moment else f"after {self.seconds:g} s"
        return f"{self.kind}: {at}"

    def was_passed(self, operation: Operation) -> bool:
        """Whether there was no such moment: within a step that says nothing."""
        return operation.steps.filter(name=self.step, state=OperationStep.State.DONE).exists()


@dataclass(frozen=True)
class Pauses:
    """Workers of one operation that are paused, each some steps after the one before."""

    kind: str
    hits: tuple[Pause, ...]

    def strike(self, subject: Subject, operation: Operation) -> list[Trial]:
        """One after the other is paused; the last one ends the work; then each of them goes on."""
        with ExitStack() as until_over:
            paused = dict(self._pause_them(operation, until_over))
            _take_over(subject, operation, paused.values())
            outcomes = {
                pause: "; ".join(_faults(subject, operation, child)) or HELD
                for pause, child in paused.items()
            }
        return [Trial(each, outcomes.get(each, NOT_PASSED)) for each in self.hits]

    def _pause_them(
        self, operation: Operation, until_over: ExitStack
    ) -> Iterator[tuple[Pause, Child]]:
        """Each at the first of the rest that it comes to."""
        rest = list(self.hits)
        while rest:
            child = _next_paused(operation, rest, until_over)
            if child is None:
                return
            while rest[0].was_passed(operation):
                rest.pop(0)
            yield rest.pop(0), child
            fleet.let_lease_run_out(operation)


@dataclass
class Child:
    """A forked worker, by its process id; ``status`` is its exit status as the shell knows it."""

    pid: int
    status: int | None = None
    stopped_at: float = 0.0  # by the monotonic clock

    def send(self, signum: signal.Signals) -> None:
        if self.status is None:
            os.kill(self.pid, signum)

    def is_stopped(self) -> bool:
        """Wait until it is stopped or has ended; whether it is stopped."""
        status = os.waitpid(self.pid, os.WUNTRACED)[1]
        if not os.WIFSTOPPED(status):
            self.status = os.waitstatus_to_exitcode(status)
        self.stopped_at = time.monotonic()
        return self.status is None

    def go_on(self) -> int:
        """Let it, with its lease over by its own clock, and wait until it ends; its exit status."""
        over = self.stopped_at + settings.BERTH_LEASE.total_seconds()
        time.sleep(max(0.0, over - time.monotonic()))
        self.send(signal.SIGCONT)
        wait_until(self._has_ended, seconds=60, what="the paused worker ends")
        assert self.status is not None
        return self.status

    def _has_ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None


@contextmanager
def _paused(operation: Operation, prepare: Callable[[], None]) -> Iterator[Child]:
    """A worker that stops itself where ``prepare`` says; it is gone afterwards in any case."""
    child = Child(fleet.run_in_child(operation.pk, prepare=prepare))
    try:
        yield child
    finally:
        if child.status is None:
            child.send(signal.SIGKILL)
            os.waitpid(child.pid, 0)


def _next_paused(
    operation: Operation, rest: Sequence[Pause], until_over: ExitStack
) -> Child | None:
    """A worker that stands still at one of these; None where the operation ended before.

    On a busy machine it may lose its lease, and there may be a lock to be waited for: so several.
    """
    for _ in range(5):
        child = until_over.enter_context(_paused(operation, _stopper(rest)))
        if rest[0].moment is None:
            time.sleep(rest[0].seconds)
            child.send(signal.SIGSTOP)
        stands = child.is_stopped()
        if not fleet.reread(operation).is_active:  # it was about to go home
            child.go_on()
            return None
        if stands:
            return child
        time.sleep(0.5)
    return None


def all_pauses(*, instants: bool) -> list[Pauses]:
    """In each step right before its first change; if wanted, at some instants of each kind too."""
    within = [pauses for flow in runner.FLOWS.values() for pauses in _dealt(flow)]
    if not instants:
        return within
    seconds = (0.05, 0.2, 0.5, 0.9)
    return within + [
        Pauses(kind, (Pause(kind, seconds=each),)) for kind in runner.FLOWS for each in seconds
    ]


def _dealt(flow: Flow) -> Iterator[Pauses]:
    hits = [Pause(flow.kind, step.name, Moment.WITHIN) for step in flow.steps]
    operations = min(len(hits), max(APART, math.ceil(len(hits) / MOST)))
    for number in range(operations):
        yield Pauses(flow.kind, tuple(hits[number::operations]))


def _take_over(subject: Subject, operation: Operation, paused: Iterable[Child]) -> None:
    """Another worker ends it. All it ever waits for is a lock that a paused one's restic has."""
    try:
        subject.work_off(operation, patience=30)
    except NotInTime:
        if "is in use by another process" in fleet.reread(operation).reason:
            for each in paused:
                each.send(signal.SIGCONT)
        subject.work_off(operation)


def _faults(subject: Subject, operation: Operation, paused: Child) -> Iterator[str]:
    """The first worker ends by itself and changes nothing; the operation had one effect."""
    since = time.time()
    status = paused.go_on()
    if status not in (0, 1):  # by itself: nothing to do any more, or cut off from the database
        yield f"the paused worker ended with {status}"
    endpoint = subject.instance.server.endpoint
    changed = engine.changes_between(endpoint, subject.instance.project, since, time.time())
    if changed:
        yield f"it still did: {', '.join(changed)}"
    # How often it was claimed says nothing: on a busy machine a lease of two seconds may run out.
    if operation.worker.endswith(f":{paused.pid}"):
        yield "the paused worker took it up again"


def _stopper(pauses: Sequence[Pause]) -> Callable[[], None]:
    """What the child does first: have itself stopped at the first, in place of being killed."""
    places = {(each.kind, each.step, each.moment) for each in pauses}

    def reached(kind: str, step: str, moment: Moment) -> None:
        if (kind, step, moment) in places:
            os.kill(os.getpid(), signal.SIGSTOP)

    def prepare() -> None:
        mock.patch("hosting.flows.base.reached", reached).start()

    return prepare


def try_pause_in_transaction(world: Fleet) -> list[str]:
    """A worker is stopped while its transaction holds what everybody needs: the audit log's end.

    Others must get on all the same, or one frozen worker stands for the whole installation.
    """
    subject = Subject(world, "frozen")
    operation = subject.ask(Operation.Kind.PROVISION)
    with _paused(operation, _stop_in_last_transaction) as child:
        assert child.is_stopped(), "no worker was frozen in a transaction"
        began = time.monotonic()
        Subject(world, "meanwhile")
        took = time.monotonic() - began
        print(f"while a worker was frozen in a transaction, an order took {took:.1f} s")
        subject.work_off(operation)
        faults = [*_faults(subject, operation, child), *subject.faults(operation)]
    return [f"frozen in a transaction: {each}" for each in faults]


def _stop_in_last_transaction() -> None:
    real = audit.record

    def record(**event: Any) -> AuditEvent:
        recorded = real(**event)
        os.kill(os.getpid(), signal.SIGSTOP)
        return recorded

    mock.patch("tenants.services.audit.record", record).start()
