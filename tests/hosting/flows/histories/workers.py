"""What workers do in a history: work, die, sleep too long, fail, come back from the dead."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from hosting.engines.errors import GiveUp, TryLater
from hosting.flows.moments import Moment
from hosting.flows.working import periodic, runner
from hosting.models import Instance, Operation
from hosting.services.working import leases, progress
from tests.hosting.flows.histories.people import People
from tests.hosting.flows.histories.player import SOME
from tests.hosting.flows.histories.truth import Facts

A_WHILE = timedelta(minutes=6)  # more than any operation is put off, and less than a lease
MOMENTS = st.sampled_from(Moment)


class Died(BaseException):
    """The worker's process is gone: nothing in Berth may handle this."""


class Bug(Exception):
    """What nobody foresaw."""


TROUBLES: tuple[Exception, ...] = (
    TryLater("the engine is busy"),
    GiveUp("the engine refuses"),
    Bug("nobody foresaw this"),
)


class Workers(People):
    """One worker at a time, but for those that are thought dead."""

    @rule()
    @precondition(lambda self: self.facts.active)
    def work(self) -> None:
        """A worker hears a bell, and works on that operation as far as it gets."""
        self._work()

    # Four rules, since Hypothesis leaves out whole rules to see what the others do.

    @rule(verb=SOME, step=SOME)
    def crash_before_a_step(self, verb: int, step: int) -> None:
        self._crash(verb, step, Moment.BEFORE)

    @rule(verb=SOME, step=SOME, nth=st.integers(0, 2))
    def crash_within_a_step(self, verb: int, step: int, nth: int) -> None:
        self._crash(verb, step, Moment.WITHIN, nth)

    @rule(verb=SOME, step=SOME)
    def crash_when_a_step_is_done(self, verb: int, step: int) -> None:
        self._crash(verb, step, Moment.DONE)

    @rule(verb=SOME, step=SOME)
    def crash_after_a_step(self, verb: int, step: int) -> None:
        self._crash(verb, step, Moment.AFTER)

    def _crash(self, verb: int, step: int, moment: Moment, nth: int = 0) -> None:
        """A worker dies at a moment of one of the steps that are left."""
        self._have_work(verb)

        left: list[Any] = []

        def die() -> None:
            left.append(self.everything())
            raise Died

        with self.stage.interrupting(step, moment, nth, die) as where:
            try:
                self._work()
            except Died:
                self.dead.append(self.stage.claimed[-1])
                self.stage.tally["crashes"] += 1
                self.stage.crashed_at.add((where[0], where[1], where[2]))
                assert self.everything() == left[0], "a dead worker tidied up after itself"
                assert not [each for each in threading.enumerate() if each.name == "heartbeat"]

    @rule(verb=SOME, step=SOME, moment=MOMENTS, nth=st.integers(0, 2))
    def oversleep(self, verb: int, step: int, moment: Moment, nth: int) -> None:
        """A worker is paused past its lease, another does its work, and it wakes up again."""
        self._have_work(verb)
        after: list[Any] = []

        def sleep() -> None:
            lease = self.stage.claimed[-1]
            self.stage.expire(lease)
            runner.run(lease.operation_id)
            after.append(self.everything())

        with self.stage.interrupting(step, moment, nth, sleep):
            self._work()
        if after:
            self.stage.tally["overslept"] += 1
            rows, objects = self.everything()
            assert rows == after[0][0], "it wrote to the database after it had lost its lease"
            if moment != Moment.WITHIN:  # there it had asked already whether it may
                assert objects == after[0][1], "it changed the engine after it had lost its lease"

    @rule(verb=SOME, nth=st.integers(0, 5), trouble=st.sampled_from(TROUBLES))
    def stumble(self, verb: int, nth: int, trouble: Exception) -> None:
        """The engine does not do the n-th change of an operation."""
        self._have_work(verb)
        with self.stage.changes_fail(nth, trouble):
            try:
                self._work()
            except Bug:
                self.stage.tally["bugs"] += 1

    def _have_work(self, verb: int) -> None:
        """Ask for something where nothing is to be done, since there a worker can't go wrong."""
        if not self.facts.active:
            for which in range(len(self.facts.instances)):
                self.ask_for_what_is_possible(which, verb)
            self.holds()

    def _work(self) -> None:
        stage = self.stage
        if not stage.bells:
            periodic.sweep()
        if not stage.bells:
            stage.let_pass(A_WHILE)  # until what was put off is due
            self.facts = Facts.read(stage)
            periodic.sweep()
        if stage.bells:
            operation_id = stage.bells.pop(0)
            before = self.facts.operation(operation_id)
            begun = runner.run(operation_id)
            stage.tally["worked on"] += begun
            if before is not None and begun:
                assert before.is_due, "it was begun although it was not due, or held by another"

    @rule()
    @precondition(lambda self: self.dead)
    def leases_run_out(self) -> None:
        for lease in self.dead:
            self.stage.expire(lease)

    @rule(which=SOME, deed=st.integers(0, 6))
    @precondition(lambda self: self.dead)
    def come_back(self, which: int, deed: int) -> None:
        """A worker that was thought dead wants to go on: it can't, and changes nothing."""
        lease = self.dead[which % len(self.dead)]
        operation = self.facts.operation(lease.operation_id)
        assert operation is not None
        if operation.fence == lease.fence and operation.is_held:
            return  # nobody noticed yet, so it still may
        before = self.everything()
        with pytest.raises(leases.LeaseLost):
            _deeds(lease, operation.steps[0][1] if operation.steps else "room")[deed]()
        assert self.everything() == before
        self.stage.tally["came back"] += 1


def _deeds(lease: leases.Lease, step: str) -> tuple[Callable[[], object], ...]:
    return (
        lambda: leases.check(lease=lease),
        lambda: leases.extend(lease=lease),
        lambda: progress.say(lease=lease, step=step, line="I am back"),
        lambda: progress.begin(lease=lease, name=step),
        lambda: progress.end(lease=lease, name=step, done=True),
        lambda: leases.postpone(lease=lease, reason="tired", delay=timedelta(0)),
        lambda: leases.finish(
            lease=lease,
            state=Operation.State.FAILED,
            reason="I give up",
            instance_state=Instance.State.FAILED,
            at=timezone.now(),
        ),
    )
