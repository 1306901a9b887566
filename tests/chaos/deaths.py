"""Deaths of workers: at a moment of a step, or before a call to the engine."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from hosting.flows import runner
from hosting.flows.moments import Moment
from hosting.models import Operation, OperationStep
from hosting.services import leases
from tests.chaos import calls, fleet
from tests.chaos.lives import NOT_PASSED, SURVIVED
from tests.chaos.subject import Subject
from tests.chaos.waiting import wait_until


@dataclass(frozen=True)
class Death:
    """Where a worker dies: at a moment of a step, or before so many-th call to the engine."""

    kind: str
    step: str = ""
    moment: Moment | None = None
    call: int = 0

    def __str__(self) -> str:
        return f"{self.kind}/{self.step}/{self.moment}" if self.step else f"{self.kind} {self.call}"

    def strike(self, subject: Subject, operation: Operation) -> str:
        """One worker dies there; another one ends what it began."""
        status = self._let_one_die(operation)
        if os.WIFEXITED(status):
            self._see_that_it_is_not_passed(operation)
            return NOT_PASSED
        assert os.WTERMSIG(status) == signal.SIGKILL, f"ended by signal {os.WTERMSIG(status)}"
        self._see_where_it_died(operation)
        _see_that_nobody_else_may(operation)
        subject.work_off(operation)
        assert operation.fence >= 2, "it was ended by a worker that was dead"
        return SURVIVED

    def _let_one_die(self, operation: Operation) -> int:
        """How it ended. On a busy machine one may lose its lease before: then another is to die."""
        ends: list[int] = []

        def has_died_or_finished() -> bool:
            ends.append(os.waitpid(self._start_worker(operation), 0)[1])
            if os.WIFSIGNALED(ends[-1]) or not fleet.reread(operation).is_active:
                return True
            assert os.WEXITSTATUS(ends[-1]) == 0, f"a worker failed before it died at {self}"
            return False

        wait_until(has_died_or_finished, seconds=20, what=f"a worker dies at {self}", pause=0.5)
        operation.refresh_from_db()
        return ends[-1]

    def _start_worker(self, operation: Operation) -> int:
        """Fork the worker that dies there; its process id."""
        if self.step:
            return fleet.run_in_child(operation.pk, die_at=str(self))
        return fleet.run_in_child(operation.pk, prepare=calls.die_before(self.call))

    def _see_that_it_is_not_passed(self, operation: Operation) -> None:
        """Only a step that says nothing has no moment within; and side by side, calls are fewer."""
        if self.call:
            return
        output = operation.steps.get(name=self.step).output
        assert (self.moment, output) == (Moment.WITHIN, ""), f"nobody died at {self}"

    def _see_where_it_died(self, operation: Operation) -> None:
        assert operation.state == Operation.State.RUNNING, "a dead worker told somebody"
        if self.call:
            return
        step = operation.steps.get(name=self.step)
        is_done = step.state == OperationStep.State.DONE
        assert is_done == (self.moment == Moment.AFTER), f"{step.name} is {step.state}"
        if self.moment in (Moment.BEFORE, Moment.WITHIN):
            assert bool(step.output) == (self.moment == Moment.WITHIN), f"said: {step.output}"
        later = operation.steps.filter(position__gt=step.position)
        assert not later.exclude(state=OperationStep.State.PENDING).exists(), "it went further"


def all_deaths() -> list[Death]:
    """Every moment of every step of every kind that the runner knows."""
    return [
        Death(kind, step.name, moment)
        for kind, flow in runner.FLOWS.items()
        for step in flow.steps
        for moment in Moment
    ]


def _see_that_nobody_else_may(operation: Operation) -> None:
    """As long as the dead worker's lease is good."""
    lease = leases.claim(operation_id=operation.pk, worker="too early")
    if lease is not None:
        assert operation.lease_expires_at is not None
        assert timezone.now() >= operation.lease_expires_at, "it was taken from under a lease"
        leases.postpone(lease=lease, reason="", delay=timedelta(0), counts=False)
