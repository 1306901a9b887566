"""Deaths of workers: at moments of steps, or before a call to the engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from hosting.flows import runner
from hosting.flows.base import Flow
from hosting.flows.moments import Moment
from hosting.models import Operation, OperationStep
from hosting.services import leases
from tests.chaos import calls, fleet
from tests.chaos.calls import Call
from tests.chaos.lives import NOT_PASSED, SURVIVED, Trial
from tests.chaos.subject import Subject
from tests.chaos.waiting import wait_until

APART = 3  # steps between two deaths: each worker but the first goes on where another one died


@dataclass(frozen=True)
class Death:
    """Where a worker dies: at a moment of a step, or before its so many-th call to the engine."""

    kind: str
    step: str
    moment: Moment | None = None
    call: int = 0

    def __str__(self) -> str:
        return f"{self.kind}/{self.step}/{self.moment or self.call}"

    def was_passed(self, operation: Operation) -> bool:
        """Whether there was no such moment: within a step that says nothing.

        And where calls are made side by side there are fewer of them at times.
        """
        step = operation.steps.get(name=self.step)
        if step.state != OperationStep.State.DONE:
            return False
        return bool(self.call) or (self.moment == Moment.WITHIN and not step.output)

    def see(self, operation: Operation) -> None:
        """Raise ``AssertionError`` unless a worker has just died there."""
        assert operation.state == Operation.State.RUNNING, "a dead worker told somebody"
        step = operation.steps.get(name=self.step)
        is_done = step.state == OperationStep.State.DONE
        assert is_done == (self.moment == Moment.AFTER), f"{step.name} is {step.state}"
        if self.moment in (Moment.BEFORE, Moment.WITHIN):
            assert bool(step.output) == (self.moment == Moment.WITHIN), f"said: {step.output}"
        later = operation.steps.filter(position__gt=step.position)
        assert not later.exclude(state=OperationStep.State.PENDING).exists(), "it went further"


@dataclass(frozen=True)
class Deaths:
    """Workers of one operation that die, each some steps after the one before."""

    kind: str
    hits: tuple[Death, ...]

    def strike(self, subject: Subject, operation: Operation) -> list[Trial]:
        """One worker after the other dies there; the last one ends what all of them began."""
        trials: list[Trial] = []
        while len(trials) < len(self.hits):
            trials += self._let_one_die(operation, self.hits[len(trials) :])
        subject.work_off(operation)
        died = sum(each.outcome == SURVIVED for each in trials)
        assert operation.fence > died, "it was ended by a worker that was dead"
        return trials

    def _let_one_die(self, operation: Operation, hits: Sequence[Death]) -> Iterator[Trial]:
        """What became of those up to the one that it died of."""
        status = _status_of_worker(operation, hits)
        for hit in hits:
            if hit.was_passed(operation):
                yield Trial(hit, NOT_PASSED)
                continue
            assert os.WIFSIGNALED(status), f"nobody died at {hit}"
            assert os.WTERMSIG(status) == signal.SIGKILL, f"ended by signal {os.WTERMSIG(status)}"
            hit.see(operation)
            _see_that_nobody_else_may(operation)
            yield Trial(hit, SURVIVED)
            return


def all_deaths() -> list[Deaths]:
    """Every moment of every step of every kind that the runner knows."""
    return [
        deaths
        for flow in runner.FLOWS.values()
        for deaths in _apart(
            flow, [Death(flow.kind, step.name, moment) for step in flow.steps for moment in Moment]
        )
    ]


def deaths_before(kind: str, said: Sequence[Call]) -> list[Deaths]:
    """Before each of these calls."""
    return list(
        _apart(runner.FLOWS[kind], [Death(kind, each.step, call=each.number) for each in said])
    )


def _apart(flow: Flow, hits: Sequence[Death]) -> Iterator[Deaths]:
    """Each of them once, and in one operation never two of the same step or of neighbours."""
    for first in range(APART):
        steps = [each.name for each in flow.steps[first::APART]]
        rest = [[hit for hit in hits if hit.step == name] for name in steps]
        while any(rest):
            yield Deaths(flow.kind, tuple(each.pop(0) for each in rest if each))


def _status_of_worker(operation: Operation, hits: Sequence[Death]) -> int:
    """How a worker ended that was to die of the first of the hits that it came to.

    It has nothing to do as long as the lease of one before is good; and on a busy machine it may
    lose its own. Then another is to die.
    """
    ends: list[int] = []

    def has_died_or_finished() -> bool:
        ends.append(os.waitpid(_start_worker(operation, hits), 0)[1])
        if os.WIFSIGNALED(ends[-1]) or not fleet.reread(operation).is_active:
            return True
        assert os.WEXITSTATUS(ends[-1]) == 0, f"a worker failed before it died at {hits[0]}"
        return False

    wait_until(has_died_or_finished, seconds=120, what=f"a worker dies at {hits[0]}", pause=0.5)
    operation.refresh_from_db()
    return ends[-1]


def _start_worker(operation: Operation, hits: Sequence[Death]) -> int:
    """Fork the worker that dies there; its process id."""
    if hits[0].call:
        places = {(each.step, each.call) for each in hits}
        return fleet.run_in_child(operation.pk, prepare=calls.die_before(places))
    return fleet.run_in_child(operation.pk, die_at=" ".join(map(str, hits)))


def _see_that_nobody_else_may(operation: Operation) -> None:
    """As long as the dead worker's lease is good."""
    lease = leases.claim(operation_id=operation.pk, worker="too early")
    if lease is not None:
        assert operation.lease_expires_at is not None
        assert timezone.now() >= operation.lease_expires_at, "it was taken from under a lease"
        leases.postpone(lease=lease, reason="", delay=timedelta(0), counts=False)
