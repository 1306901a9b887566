"""What a flow is made of.

A flow is a list of steps; a step is a function that may be run twice. Steps get a ``Work``: the
instance, its engine and stack, and ``report``, which says a line to whoever watches and stops the
work where the lease, the step's time or a person's patience has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from django.db import transaction

from hosting.engines.base import Engine
from hosting.engines.errors import GiveUp
from hosting.engines.wanted import Stack
from hosting.flows import engines, stacks
from hosting.flows.moments import Moment, reached
from hosting.models import Footing, Instance, Operation
from hosting.services.working import leases, progress


@dataclass(slots=True)
class Work:
    """What a step works on."""

    lease: leases.Lease
    kind: str
    instance: Instance
    step: Step
    started: float = field(default_factory=time.monotonic)
    _last_line: str = ""
    _stack: Stack | None = None
    _engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine of the instance's server, which changes nothing once the lease has run out.

        That is asked of this machine's clock before each single call, and not only of the database
        before each ``report``: in between a worker may be frozen for any time.
        """
        if self._engine is None:
            engine = engines.engine_for(self.instance.server)
            self._engine = engine.permitted(partial(leases.see_tenure, lease=self.lease))
        return self._engine

    def close(self) -> None:
        """Give back what the step held."""
        if self._engine is not None:
            self._engine.close()

    @property
    def stack(self) -> Stack:
        """The stack as it should be now; ``forget_stack`` after changing what it is built from."""
        if self._stack is None:
            self._stack = stacks.build(self.instance)
        return self._stack

    def stand_on(self, footing: Footing) -> None:
        """Work on the stack as it is on that, in this step."""
        self._stack = stacks.build(footing.carrying(self.instance))

    def forget_stack(self) -> None:
        """Build the stack anew at the next use."""
        self._stack = None

    def report(self, line: str) -> None:
        """Check that the work may go on, then say the line (unless it repeats the last one).

        Raises ``LeaseLost``, ``CancelRequested``, or ``GiveUp`` where the step's time is up.
        """
        leases.check(lease=self.lease)
        if time.monotonic() - self.started > self.step.deadline.total_seconds():
            raise GiveUp(
                f"“{self.step.title}” did not end within {_spoken(self.step.deadline)}:"
                f" {line or self._last_line or 'nothing was heard'}"
            )
        if line and line != self._last_line:
            progress.say(lease=self.lease, step=self.step.name, line=line)
            self._last_line = line
            self.pass_moment(Moment.WITHIN)

    def pass_moment(self, moment: Moment) -> None:
        """A place where the chaos tests may end the worker; see ``moments``."""
        reached(self.kind, self.step.name, moment)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction on Berth's own tables that only the holder of the lease gets through."""
        with transaction.atomic():
            leases.hold(lease=self.lease)
            yield

    def wait_until(self, condition: Callable[[], bool], *, why: str) -> None:
        """Ask again and again, ever less often, until the condition holds or the time is up."""
        pause = 0.1
        while not condition():
            self.report(why)
            time.sleep(pause)
            pause = min(pause * 1.3, 1.0)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the checklist."""

    name: str
    title: str
    run: Callable[[Work], None]
    deadline: timedelta = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Undone:
    """What an instance is once an operation was taken back, and how that is said."""

    state: Instance.State | None  # None leaves it as it was
    said: str


def as_before(operation: Operation) -> Undone:
    """Nothing of the operation is left."""
    return Undone(None, "Everything is as it was before.")


@dataclass(frozen=True, slots=True)
class Flow:
    """What an operation of one kind does, and what the instance is afterwards.

    One that fails or is called off once ``undo_from`` has begun is taken back by the steps of
    ``undo``, which is tried for as long as it takes. Where that is its first step it is taken back
    in any case: asking for it has made something already.
    """

    kind: Operation.Kind
    steps: tuple[Step, ...]
    # None leaves it as it was; a function tells it from what it was.
    succeeded_as: Instance.State | Callable[[Instance], Instance.State] | None
    failed_as: Instance.State | None = Instance.State.FAILED
    gives_up: bool = True  # False: postponed for as long as it takes
    undo: tuple[Step, ...] = ()
    undo_from: str = ""  # the first step after which the instance is not as it was
    undone: Callable[[Operation], Undone] = as_before

    @property
    def is_undone_always(self) -> bool:
        """Whether it is taken back even where no step of it had begun."""
        return bool(self.undo) and self.undo_from == self.steps[0].name

    def state_after(self, instance: Instance) -> Instance.State | None:
        """What the instance is after a success. ``None``: what it was."""
        if isinstance(self.succeeded_as, Instance.State) or self.succeeded_as is None:
            return self.succeeded_as
        return self.succeeded_as(instance)


def _spoken(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds // 60} min" if seconds >= 60 and seconds % 60 == 0 else f"{seconds} s"
