"""Workers that are paused past their lease, and go on beside the one that took over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

from django.db import connection

from hosting.flows import runner
from hosting.flows.moments import Moment
from hosting.models import Operation
from tenants.models import AuditEvent
from tenants.services import audit
from tests.chaos import engine, fleet
from tests.chaos.fleet import Fleet
from tests.chaos.subject import Subject
from tests.chaos.waiting import wait_until

HELD, TOO_LATE = "held", "n/a"
_Kind = Operation.Kind


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


def all_pauses() -> list[Pause]:
    """In each step right before its first change, and at some instants of each kind."""
    flows = runner.FLOWS.items()
    within = [Pause(kind, step.name, Moment.WITHIN) for kind, flow in flows for step in flow.steps]
    instants = [Pause(kind, seconds=each) for kind, _ in flows for each in (0.05, 0.2, 0.5, 0.9)]
    return within + instants


def try_pause(arguments: tuple[Fleet, int, Pause]) -> tuple[Pause, str]:
    """In a process of a pool: one instance, one pause, and what became of it."""
    world, number, pause = arguments
    try:
        subject = Subject(world, f"pause-{number}")
        if pause.kind != _Kind.PROVISION:
            subject.do(_Kind.PROVISION)
        outcome = _pause_and_go_on(subject, pause)
        if pause.kind != _Kind.DELETE:
            subject.do(_Kind.DELETE)
    except Exception as error:  # whatever it is belongs into the report
        outcome = f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return pause, outcome


def _pause_and_go_on(subject: Subject, pause: Pause) -> str:
    operation = subject.ask(pause.kind)
    child = fleet.run_in_child(operation.pk, prepare=_stopper(pause))
    try:
        time.sleep(pause.seconds)
        if pause.moment is None:
            os.kill(child, signal.SIGSTOP)
        if os.WIFEXITED(os.waitpid(child, os.WUNTRACED)[1]):
            return TOO_LATE
        subject.work_off(operation)
        ended_at = time.time()
        os.kill(child, signal.SIGCONT)
        status = _wait_for_exit(child)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    return "; ".join(_faults(subject, operation, child, ended_at, status)) or HELD


def _faults(
    subject: Subject, operation: Operation, paused: int, since: float, status: int
) -> Iterator[str]:
    """The first worker ended by itself and changed nothing; the operation had one effect."""
    if status not in (0, 1):  # by itself: nothing to do any more, or cut off from the database
        yield f"the paused worker ended with {status}"
    endpoint = subject.instance.server.endpoint
    changed = engine.changes_between(endpoint, subject.instance.project, since, time.time())
    if changed:
        yield f"it still did: {', '.join(changed)}"
    yield from subject.faults(operation)
    # How often it was claimed says nothing: on a busy machine a lease of two seconds may run out.
    if operation.worker.endswith(f":{paused}"):
        yield "the paused worker took it up again"


def _stopper(pause: Pause) -> Callable[[], None]:
    """What the child does first: have itself stopped at the moment, in place of being killed."""

    def reached(kind: str, step: str, moment: Moment) -> None:
        if (kind, step, moment) == (pause.kind, pause.step, pause.moment):
            os.kill(os.getpid(), signal.SIGSTOP)

    def prepare() -> None:
        mock.patch("hosting.flows.base.reached", reached).start()

    return prepare


def _wait_for_exit(child: int, *, seconds: float = 60) -> int:
    """Its exit status as the shell knows it."""
    ended: list[int] = []

    def has_ended() -> bool:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            ended.append(os.waitstatus_to_exitcode(status))
        return bool(ended)

    wait_until(has_ended, seconds=seconds, what="the paused worker ends")
    return ended[0]


def try_pause_in_transaction(world: Fleet) -> list[str]:
    """A worker is stopped while its transaction holds what everybody needs: the audit log's end.

    Others must get on all the same, or one frozen worker stands for the whole installation.
    """
    subject = Subject(world, "frozen")
    operation = subject.ask(_Kind.PROVISION)
    child = fleet.run_in_child(operation.pk, prepare=_stop_in_last_transaction)
    try:
        os.waitpid(child, os.WUNTRACED)
        began = time.monotonic()
        Subject(world, "meanwhile")
        print(
            f"while a worker was frozen in a transaction, an order took"
            f" {time.monotonic() - began:.1f} s"
        )
        subject.work_off(operation)
        ended_at = time.time()
        os.kill(child, signal.SIGCONT)
        status = _wait_for_exit(child)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    return [
        f"frozen in a transaction: {each}"
        for each in _faults(subject, operation, child, ended_at, status)
    ]


def _stop_in_last_transaction() -> None:
    real = audit.record

    def record(**event: Any) -> AuditEvent:
        recorded = real(**event)
        os.kill(os.getpid(), signal.SIGSTOP)
        return recorded

    mock.patch("tenants.services.audit.record", record).start()
