"""What staff look at first: servers with what they hold, instances by state, what is going on.

A fixed number of queries, however much there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Prefetch, QuerySet

from hosting.models import ACTIVE_STATES, Incident, Instance, Operation, OperationStep, Server
from hosting.selectors.capacity import with_reserved
from hosting.selectors.instances import large
from hosting.selectors.saving import backups
from hosting.selectors.servers import with_work
from hosting.selectors.watching import incidents

SHOWN = 20  # rows of a list that only gives a first look
# What is shown of them there; all else is not read, as most of what is read is not shown.
_OF_OPERATION = (
    *("kind", "state", "reason", "undoing", "cancel_requested_at", "attempt"),
    *("requested_by_label", "requested_at", "started_at"),
    *("instance__name", "instance__client__name"),
)
_OF_STEP = ("operation", "position", "name", "title", "state")
_OF_INCIDENT = (
    *("kind", "summary", "opened_at"),
    *("server__name", "instance__name", "instance__client__name"),
)
_OF_INSTANCE = ("name", "app", "state", "suspended_at", "deleted_at", "client__name")


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the admin's first page."""

    servers: Sequence[Server]
    states: Sequence[tuple[str, int]]
    active: Sequence[Operation]
    active_count: int
    failed: Sequence[Operation]
    failed_count: int
    incidents: Sequence[Incident]
    incident_count: int
    unsaved: Sequence[Instance]
    unsaved_count: int


def overview(*, now: datetime) -> Overview:
    """As of that moment; failures of the last day. ``unsaved`` have no proven backup in time."""
    active = _in_a_line().filter(state__in=ACTIVE_STATES).order_by("requested_at")
    failed = _in_a_line().filter(
        state=Operation.State.FAILED, finished_at__gt=now - timedelta(days=1)
    )
    unsaved = backups.overdue(now=now)
    return Overview(
        servers=list(with_work(with_reserved(Server.objects.order_by("name")))),
        states=by_state(),
        active=list(active[:SHOWN]),
        active_count=active.count(),
        failed=list(failed.order_by("-finished_at")[:SHOWN]),
        failed_count=failed.count(),
        incidents=list(incidents.going_on().only(*_OF_INCIDENT)[:SHOWN]),
        incident_count=incidents.going_on().count(),
        unsaved=list(
            unsaved.order_by(F("proven_at").asc(nulls_first=True), "pk").only(*_OF_INSTANCE)[:SHOWN]
        ),
        unsaved_count=unsaved.count(),
    )


def by_state() -> list[tuple[str, int]]:
    """How many instances of clients are in each state, in the order of states. One query."""
    theirs = Instance.objects.filter(purpose=Instance.Purpose.CLIENT)
    there = theirs.exclude(state=Instance.State.DELETED)  # by its index
    counts = dict(there.order_by().values_list("state").annotate(Count("pk")))
    states = (each for each in Instance.State.values if each != Instance.State.DELETED)
    return [(state, counts.get(state, 0)) for state in states]


def operations_with_steps() -> QuerySet[Operation]:
    """With instance, client and server, and the steps in order without their output."""
    steps = OperationStep.objects.order_by("position").defer("output")
    found = Operation.objects.select_related("instance__client", "instance__server")
    return found.defer(*large("instance")).prefetch_related(Prefetch("steps", queryset=steps))


def _in_a_line() -> QuerySet[Operation]:
    """With what one line says of an operation, and the steps in order."""
    steps = OperationStep.objects.order_by("position").only(*_OF_STEP)
    found = Operation.objects.select_related("instance__client").only(*_OF_OPERATION)
    return found.prefetch_related(Prefetch("steps", queryset=steps))


def current_step(operation: Operation) -> OperationStep | None:
    """What it is doing now, or what it failed at; None before it began and after it succeeded."""
    is_going_back = bool(operation.is_active and operation.undoing)
    steps = [step for step in operation.steps.all() if step.takes_back == is_going_back]
    unfinished = [step for step in steps if step.state != OperationStep.State.DONE]
    return unfinished[0] if unfinished and operation.started_at else None
