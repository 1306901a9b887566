"""Instances and operations as pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from hosting.models import Instance, Operation, OperationStep
from hosting.selectors import instances, maintenance, reasons
from hosting.selectors.working import operations
from hosting.views.states import (
    CALLED,
    DOING,
    INSTANCE,
    MAINTAINED,
    OPERATION,
    STEP,
    SUSPENDED,
    Status,
    named,
)
from hosting.views.words import author

NEWEST_LINES = 8  # of the step that runs
ALL_LINES = 400  # of a step that ended


@dataclass(frozen=True, slots=True)
class StepView:
    """A step with the part of its output that is shown."""

    step: OperationStep
    status: Status
    output: str
    took: timedelta | None


@dataclass(frozen=True, slots=True)
class OperationView:
    """An operation in words. ``percent`` is a whole number from 0 to 100.

    ``back`` are the steps that take it back, where it has come to that. ``current``, ``done`` and
    ``percent`` are of them then.
    """

    operation: Operation
    title: str
    status: Status
    steps: Sequence[StepView]
    back: Sequence[StepView]
    current: str
    done: int
    percent: int
    usual: timedelta | None
    took: timedelta | None
    waits_for: str
    waits_well: bool  # only for its turn or its server: nothing went wrong with it
    author: str
    heading: str  # the title with the instance's name

    @property
    def at_work(self) -> Sequence[StepView]:
        """The steps that it is at: forward, or back."""
        return self.back or self.steps

    def what_shows(self) -> tuple[object, ...]:
        """What can change about it on a page."""
        operation = self.operation
        steps = [(each.step.state, len(each.step.output)) for each in (*self.steps, *self.back)]
        said = (operation.state, operation.reason, operation.undoing)
        return (operation.pk, *said, operation.cancel_requested_at, self.percent, steps)

    @property
    def is_overdue(self) -> bool:
        """Whether it takes more than twice as long as usual."""
        started = self.operation.started_at
        return bool(self.usual and started and timezone.now() - started > 2 * self.usual)

    @property
    def can_be_cancelled(self) -> bool:
        """Whether calling it off still makes a difference."""
        return (
            self.operation.is_active
            and self.operation.kind != Operation.Kind.DELETE
            and self.operation.cancel_requested_at is None
            and not self.operation.undoing
        )


@dataclass(frozen=True, slots=True)
class PastView:
    """An operation in one line; ``why`` only where nothing else on an instance's page tells it."""

    operation: Operation
    title: str
    status: Status
    took: timedelta | None
    author: str
    why: str


@dataclass(frozen=True, slots=True)
class InstanceView:
    """An instance in words, and what is going on with it now."""

    instance: Instance
    app_title: str
    app_icon: str
    status: Status
    active: OperationView | None
    host: str
    url: str

    @property
    def why(self) -> str:
        """What is wrong with it, in a sentence; the last lines of the log are for its own page."""
        if self.status is SUSPENDED:
            return self.instance.suspended_for
        return reasons.taken_apart(self.instance.state_reason).sentence

    @property
    def opens(self) -> bool:
        """Whether its address leads to the app."""
        return self.instance.is_routed and self.instance.state in (
            Instance.State.RUNNING,
            Instance.State.DEGRADED,
        )


def show_instance(instance: Instance, *, with_usual: bool = False) -> InstanceView:
    """From one of ``selectors.instances.detailed`` or ``listed``.

    ``with_usual`` costs two queries.
    """
    busy = getattr(instance, "active_operations", [])
    active = show_operation(busy[0], instance, with_usual=with_usual) if busy else None
    app_title, app_icon = _described(instance)
    host = instances.hostname(instance)
    return InstanceView(
        instance=instance,
        app_title=app_title,
        app_icon=app_icon,
        status=_status(instance, active),
        active=active,
        host=host,
        url=instances.public_url(instance) if host else "",
    )


def _described(instance: Instance) -> tuple[str, str]:
    """Title and icon of its app, which a list has read without the whole definition."""
    if "definition" in instance.get_deferred_fields():
        return instance.app_title or instance.app, instance.app_icon or ""  # type: ignore[attr-defined]
    described = instance.definition.get("berth", {})
    return described.get("title", instance.app), described.get("icon", "")


def show_operation(
    operation: Operation, instance: Instance, *, with_usual: bool = False
) -> OperationView:
    """From an operation with its steps prefetched."""
    operation.instance = instance  # already at hand, so that nothing reads it again
    steps, back = _there_and_back(operation)
    at_work = back or steps
    usual = operations.usual_duration(operation) if with_usual and not operation.undoing else None
    running = next((s for s in at_work if s.state == OperationStep.State.RUNNING), None)
    done = sum(step.state == OperationStep.State.DONE for step in at_work)
    return OperationView(
        operation=operation,
        title=_title(operation),
        status=OPERATION[Operation.State(operation.state)],
        steps=[_show_step(step) for step in steps],
        back=[_show_step(step) for step in back],
        current=running.title if running else "",
        done=done,
        percent=_percent(operation, done, len(at_work), usual),
        usual=usual,
        took=_between(operation.started_at, operation.finished_at),
        waits_for=operation.reason if operation.is_active else "",
        waits_well=not any(step.state == OperationStep.State.FAILED for step in at_work),
        author=author(operation.requested_by_label),
        heading=_title(operation, name=instance.name),
    )


def show_past(operation: Operation) -> PastView:
    """An operation as a line of history."""
    return PastView(
        operation=operation,
        title=_title(operation),
        status=OPERATION[Operation.State(operation.state)],
        took=_between(operation.started_at, operation.finished_at),
        author=author(operation.requested_by_label),
        why=_why(operation),
    )


def _there_and_back(operation: Operation) -> tuple[list[OperationStep], list[OperationStep]]:
    """The steps, and those that take it back; without what it never comes to any more."""
    steps: list[OperationStep] = []
    back: list[OperationStep] = []
    for step in operation.steps.all():
        if step.takes_back:
            back.append(step)
        elif not operation.undoing or step.state != OperationStep.State.PENDING:
            steps.append(step)
    return steps, back


def _why(operation: Operation) -> str:
    """Why a move came to nothing: the instance itself may be as well as before."""
    kinds = (Operation.Kind.RESTORE, Operation.Kind.UPGRADE, Operation.Kind.REVERT)
    is_one = operation.kind in kinds
    if not is_one or operation.is_active or operation.state == Operation.State.SUCCEEDED:
        return ""
    why = reasons.why_ended(operation)
    return f"{why[:1].upper()}{why[1:]}"


def _title(operation: Operation, *, name: str = "") -> str:
    """What is done, in words; with the instance's name where there is one."""
    kind = Operation.Kind(operation.kind)
    called, doing = named(CALLED[kind], name), named(DOING[kind], name)
    if not operation.is_active:
        return called
    if operation.undoing:
        return f"Taking back: {called[:1].lower()}{called[1:]}"
    if operation.cancel_requested_at:
        return f"Calling off: {called[:1].lower()}{called[1:]}"
    return doing


def _status(instance: Instance, active: OperationView | None) -> Status:
    if active is None:
        if instance.suspended_at:
            return SUSPENDED
        if maintenance.is_stopped_for_it(instance):
            return MAINTAINED
        return INSTANCE[Instance.State(instance.state)]
    if active.operation.undoing:
        return Status("Taking back", "progress", "progress", spins=True)
    if active.operation.cancel_requested_at:
        return Status("Calling off", "progress", "progress", spins=True)
    return Status(active.title, "progress", "progress", spins=True)


def _show_step(step: OperationStep) -> StepView:
    is_running = step.state == OperationStep.State.RUNNING
    lines = step.output.splitlines()[-(NEWEST_LINES if is_running else ALL_LINES) :]
    return StepView(
        step=step,
        status=STEP[OperationStep.State(step.state)],
        output="\n".join(lines),
        took=_between(step.started_at, step.finished_at),
    )


def _percent(operation: Operation, done: int, steps: int, usual: timedelta | None) -> int:
    """By the time it usually takes where that is known, else by steps; 100 only at the end."""
    if not operation.is_active:
        return 100 if operation.state == Operation.State.SUCCEEDED else 0
    if operation.started_at is None or not steps:
        return 0
    by_steps = 100 * done / steps
    if not usual:
        return min(95, round(by_steps))
    by_time = 100 * (timezone.now() - operation.started_at) / usual
    return min(95, round(by_time))


def _between(start: datetime | None, end: datetime | None) -> timedelta | None:
    return end - start if start and end else None
