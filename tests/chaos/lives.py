"""An instance's life, from its order to its deletion, in which workers die."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from hosting.flows import runner
from hosting.flows.moments import Moment
from hosting.models import Operation, OperationStep
from hosting.services import leases
from tests.chaos import calls, fleet
from tests.chaos.fleet import Fleet
from tests.chaos.lanes import LANES
from tests.chaos.subject import Subject

SURVIVED, NOT_PASSED = "survived", "n/a"
ENDS = (Operation.Kind.PROVISION, Operation.Kind.DELETE)


@dataclass(frozen=True)
class Death:
    """Where a worker dies: at a moment of a step, or before so many-th call to the engine."""

    kind: str
    step: str = ""
    moment: Moment | None = None
    call: int = 0

    def __str__(self) -> str:
        return f"{self.kind}/{self.step}/{self.moment}" if self.step else f"{self.kind} {self.call}"

    def start_worker(self, operation: Operation) -> int:
        """Fork the worker that dies there; its process id."""
        if self.step:
            return fleet.run_in_child(operation.pk, die_at=str(self))
        return fleet.run_in_child(operation.pk, prepare=calls.die_before(self.call))


@dataclass(frozen=True)
class Trial:
    """What became of the operation: ``survived``, ``n/a``, or what is wrong."""

    death: Death
    outcome: str

    @property
    def is_well(self) -> bool:
        return self.outcome in (SURVIVED, NOT_PASSED)


@dataclass(frozen=True)
class Life:
    """An instance's name, and the deaths in it, in order: at most one of each of its ends."""

    name: str
    deaths: Sequence[Death]

    @property
    def deeds(self) -> list[tuple[str, Death | None]]:
        """What is done in it: only what somebody dies of, beside the two ends."""
        between = [(each.kind, each) for each in self.deaths if each.kind not in ENDS]
        first, last = ((kind, self._death_at(kind)) for kind in ENDS)
        return [first, *between, last]

    def _death_at(self, end: str) -> Death | None:
        return next((each for each in self.deaths if each.kind == end), None)


def all_deaths() -> list[Death]:
    """Every moment of every step of every kind that the runner knows."""
    return [
        Death(kind, step.name, moment)
        for kind, flow in runner.FLOWS.items()
        for step in flow.steps
        for moment in Moment
    ]


def lives_for(deaths: Sequence[Death]) -> list[Life]:
    """So many lives that each death has its place in one, and no more: each has to be founded."""
    ends = [[each for each in deaths if each.kind == kind] for kind in ENDS]
    count = max(*map(len, ends), min(2 * LANES, len(deaths)))
    between = [each for each in deaths if each.kind not in ENDS]
    return [
        Life(f"life-{number}", [each for some in (*ends, between) for each in some[number::count]])
        for number in range(count)
    ]


def live(arguments: tuple[Fleet, Life]) -> list[Trial]:
    """Live it in a process of a pool; what became of each death, up to one that went wrong."""
    world, life = arguments
    trials: list[Trial] = []
    try:
        trials.extend(_trials(Subject(world, life.name), life))
    except Exception as error:  # whatever it is belongs into the report
        untried = [each for each in life.deaths if each not in {t.death for t in trials}]
        trials.append(Trial(untried[0], f"{life.name}: {type(error).__name__}: {error}"))
    finally:
        connection.close()
    return trials


def _trials(subject: Subject, life: Life) -> Iterator[Trial]:
    for kind, death in life.deeds:
        if death is None:
            subject.do(kind)
            continue
        operation = subject.ask(kind)
        outcome = _die_and_go_on(subject, operation, death)
        faults = "; ".join(subject.faults(operation))
        yield Trial(death, faults or outcome)
        if faults:
            return


def _die_and_go_on(subject: Subject, operation: Operation, death: Death) -> str:
    """One worker dies there; another one ends what it began."""
    status = os.waitpid(death.start_worker(operation), 0)[1]
    operation.refresh_from_db()
    if os.WIFEXITED(status):
        _see_that_it_is_not_passed(operation, death)
        return NOT_PASSED
    assert os.WTERMSIG(status) == signal.SIGKILL, f"ended by signal {os.WTERMSIG(status)}"
    _see_where_it_died(operation, death)
    _see_that_nobody_else_may(operation)
    subject.work_off(operation)
    assert operation.fence >= 2, "it was ended by a worker that was dead"
    return SURVIVED


def _see_that_nobody_else_may(operation: Operation) -> None:
    """As long as the dead worker's lease is good."""
    lease = leases.claim(operation_id=operation.pk, worker="too early")
    if lease is not None:
        assert operation.lease_expires_at is not None
        assert timezone.now() >= operation.lease_expires_at, "it was taken from under a lease"
        leases.postpone(lease=lease, reason="", delay=timedelta(0), counts=False)


def _see_that_it_is_not_passed(operation: Operation, death: Death) -> None:
    """Only a step that says nothing has no moment within; and side by side, calls are fewer."""
    if death.call:
        return
    output = operation.steps.get(name=death.step).output
    assert (death.moment, output) == (Moment.WITHIN, ""), f"nobody died at {death}"


def _see_where_it_died(operation: Operation, death: Death) -> None:
    assert operation.state == Operation.State.RUNNING, "a dead worker told somebody"
    if death.call:
        return
    step = operation.steps.get(name=death.step)
    is_done = step.state == OperationStep.State.DONE
    assert is_done == (death.moment == Moment.AFTER), f"{step.name} is {step.state}"
    if death.moment in (Moment.BEFORE, Moment.WITHIN):
        assert bool(step.output) == (death.moment == Moment.WITHIN), f"said: {step.output}"
    later = operation.steps.filter(position__gt=step.position)
    assert not later.exclude(state=OperationStep.State.PENDING).exists(), "it went further"
