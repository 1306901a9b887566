"""Deaths of workers: at moments of steps, or before a call to the engine."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain

from django.utils import timezone

from hosting.flows.base import Flow
from hosting.flows.moments import Moment
from hosting.flows.working import runner
from hosting.models import Operation, OperationStep
from hosting.services.working import leases
from tests.chaos import calls, fleet
from tests.chaos.calls import Call
from tests.chaos.lives import NOT_PASSED, SURVIVED, Trial
from tests.chaos.subject import Subject
from tests.chaos.waiting import wait_until

MOST = 5  # deaths in one operation: worker after worker that dies ends in its being given up


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
            fleet.let_lease_run_out(operation)
            yield Trial(hit, SURVIVED)
            return


def all_deaths(said: Mapping[str, Sequence[Call]]) -> list[Deaths]:
    """Of these kinds: at every moment of every step, and before each of its calls."""
    return [deaths for kind in said for deaths in _dealt(runner.FLOWS[kind], said[kind])]


def _dealt(flow: Flow, said: Sequence[Call]) -> Iterator[Deaths]:
    """Each of them once, and in one operation never two of the same step.

    What the second was to interrupt would have been done already by the worker that died first.
    Each worker but the first goes on where another one died, and all but the last die later on.
    """
    of_steps = [_hits_in(flow.kind, step.name, said) for step in flow.steps]
    hits = list(chain.from_iterable(of_steps))
    operations = max(*map(len, of_steps), math.ceil(len(hits) / MOST))
    for number in range(operations):
        yield Deaths(flow.kind, tuple(hits[number::operations]))


def _hits_in(kind: str, step: str, said: Sequence[Call]) -> list[Death]:
    numbers = [each.number for each in said if each.step == step]
    moments = [Death(kind, step, moment) for moment in Moment]
    return [*moments, *(Death(kind, step, call=number) for number in numbers)]


def _status_of_worker(operation: Operation, hits: Sequence[Death]) -> int:
    """How a worker ended that was to die of the first of the hits that it came to.

    On a busy machine it may lose its lease, or find that of such a one. Then another is to die.
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
    places = {(each.step, each.call) for each in hits if each.call}
    moments = " ".join(str(each) for each in hits if each.moment)
    return fleet.run_in_child(operation.pk, die_at=moments, prepare=calls.die_before(places))


def _see_that_nobody_else_may(operation: Operation) -> None:
    """As long as the dead worker's lease is good."""
    lease = leases.claim(operation_id=operation.pk, worker="too early")
    if lease is not None:
        assert operation.lease_expires_at is not None
        assert timezone.now() >= operation.lease_expires_at, "it was taken from under a lease"
        leases.postpone(lease=lease, reason="", delay=timedelta(0), counts=False)
