"""Workers that are paused past their lease, and go on beside the one that took over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from hosting.flows import runner
from hosting.flows.moments import Moment
from hosting.models import Operation
from tenants.models import AuditEvent
from tenants.services import audit
from tests.chaos import engine, fleet
from tests.chaos.fleet import Fleet
from tests.chaos.lives import HELD, NOT_PASSED, Trial
from tests.chaos.subject import Subject
from tests.chaos.waiting import NotInTime, wait_until


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

    @property
    def hits(self) -> tuple[Pause]:
        """Itself alone."""
        return (self,)

    def strike(self, subject: Subject, operation: Operation) -> list[Trial]:
        """The worker is paused there; a second one ends the work; then the first goes on."""
        return [Trial(self, self._outcome(subject, operation))]

    def _outcome(self, subject: Subject, operation: Operation) -> str:
        with _paused(operation, _stopper(self)) as child:
            time.sleep(self.seconds)
            if self.moment is None:
                child.send(signal.SIGSTOP)
            if not child.is_stopped():
                subject.work_off(operation)  # on a busy machine it may have lost its lease
                return NOT_PASSED
            if not fleet.reread(operation).is_active:  # it was about to go home
                child.go_on()
                return NOT_PASSED
            _take_over(subject, operation, child)
            return "; ".join(_faults(subject, operation, child)) or HELD


@dataclass
class Child:
    """A forked worker, by its process id; ``status`` is its exit status as the shell knows it."""

    pid: int
    status: int | None = None

    def send(self, signum: signal.Signals) -> None:
        if self.status is None:
            os.kill(self.pid, signum)

    def is_stopped(self) -> bool:
        """Wait until it is stopped or has ended; whether it is stopped."""
        status = os.waitpid(self.pid, os.WUNTRACED)[1]
        if not os.WIFSTOPPED(status):
            self.status = os.waitstatus_to_exitcode(status)
        return self.status is None

    def go_on(self) -> int:
        """Let it, and wait until it ends; its exit status."""
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


def all_pauses(*, instants: bool) -> list[Pause]:
    """In each step right before its first change; if wanted, at some instants of each kind too."""
    flows = runner.FLOWS.items()
    within = [Pause(kind, step.name, Moment.WITHIN) for kind, flow in flows for step in flow.steps]
    if not instants:
        return within
    seconds = (0.05, 0.2, 0.5, 0.9)
    return within + [Pause(kind, seconds=each) for kind, _ in flows for each in seconds]


def _take_over(subject: Subject, operation: Operation, paused: Child) -> None:
    """A second worker ends it. All it ever waits for is a lock that the paused one's restic has."""
    try:
        subject.work_off(operation, patience=30)
    except NotInTime:
        if "is in use by another process" in fleet.reread(operation).reason:
            paused.send(signal.SIGCONT)
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


def _stopper(pause: Pause) -> Callable[[], None]:
    """What the child does first: have itself stopped at the moment, in place of being killed."""

    def reached(kind: str, step: str, moment: Moment) -> None:
        if (kind, step, moment) == (pause.kind, pause.step, pause.moment):
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
