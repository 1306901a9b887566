"""What a worker writes down of an operation's steps; each write holds the operation's lease."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Coalesce, Concat, Now

from hosting.models import OperationStep
from hosting.services.working import leases
from hosting.services.working.leases import Lease


@transaction.atomic
def plan(*, lease: Lease, steps: Sequence[tuple[str, str]], first: int = 0) -> frozenset[str]:
    """Write down the steps (name, title) where that was not done; return the names done before.

    ``first`` is the position of the first of them.
    """
    leases.hold(lease=lease)
    OperationStep.objects.bulk_create(
        [
            OperationStep(
                operation_id=lease.operation_id, position=position, name=name, title=title
            )
            for position, (name, title) in enumerate(steps, first)
        ],
        ignore_conflicts=True,
    )
    done = OperationStep.objects.filter(
        operation_id=lease.operation_id, state=OperationStep.State.DONE
    )
    return frozenset(done.values_list("name", flat=True))


@transaction.atomic
def begin(*, lease: Lease, name: str) -> None:
    """Record that a step runs."""
    leases.hold(lease=lease)
    _step(lease, name).update(
        state=OperationStep.State.RUNNING,
        started_at=Coalesce("started_at", Now()),
        finished_at=None,
    )


@transaction.atomic
def end(*, lease: Lease, name: str, done: bool) -> None:
    """Record how a step ended."""
    leases.hold(lease=lease)
    state = OperationStep.State.DONE if done else OperationStep.State.FAILED
    _step(lease, name).update(state=state, finished_at=Now())


@transaction.atomic
def say(*, lease: Lease, step: str, line: str) -> None:
    """Add a line to a step's output, unless it is the last one already.

    An operation that waits a day for its server says the same thing every few seconds.
    """
    leases.hold(lease=lease)
    repeats = Q(output=f"{line}\n") | Q(output__endswith=f"\n{line}\n")
    said = Concat("output", Value(f"{line}\n"), output_field=TextField())
    _step(lease, step).exclude(repeats).update(output=said)


def _step(lease: Lease, name: str) -> QuerySet[OperationStep]:
    return OperationStep.objects.filter(operation_id=lease.operation_id, name=name)
