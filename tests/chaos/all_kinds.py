"""One operation of every kind, and their real worker dies with its whole process group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from hosting.flows.working import runner
from hosting.models import ACTIVE_STATES, Operation, OperationStep
from hosting.services.working import doorbell
from tests.chaos import fleet
from tests.chaos.fleet import Fleet
from tests.chaos.installation import Installation
from tests.chaos.lanes import side_by_side
from tests.chaos.lives import LAST
from tests.chaos.subject import ALONE, FIRSTS, Subject, ready_for
from tests.chaos.waiting import wait_until

# How far they have come when it is killed: a sentence, and whether it is so.
Progress = tuple[str, Callable[[Sequence[Operation]], bool]]


def die_with_all_kinds(made: Installation, world: Fleet) -> Iterator[str]:
    """Some rounds of it; what was wrong. Says where each operation stood."""
    subjects: dict[str, Subject] = {}
    for number, progress in enumerate(ROUNDS):
        yield from _round(made, world, f"round-{number}", progress, subjects)
        for kind in (*FIRSTS, *ALONE, LAST):  # these can't be asked for a second time
            subjects.pop(kind)


def _round(
    made: Installation, world: Fleet, name: str, progress: Progress, subjects: dict[str, Subject]
) -> list[str]:
    """``subjects`` are left over from the round before, by kind, and then from this one."""
    what, is_so_far = progress
    wanted = [(world, subjects.get(kind, f"{name}-{kind}"), kind) for kind in runner.FLOWS]
    subjects.update(zip(runner.FLOWS, side_by_side(ready_for, wanted), strict=True))
    asked = {kind: subject.ask(kind) for kind, subject in subjects.items()}
    made.broker.client.flushall()  # the bells of what was done on the way here
    for operation in asked.values():
        doorbell.ring(operation_id=operation.pk)
    worker, beat = made.worker(concurrency=len(asked)), made.beat()
    worker.start()
    wait_until(lambda: is_so_far(_reread(asked.values())), seconds=240, what=what, pause=0.01)
    worker.kill()
    standing = {kind: _standing(fleet.reread(each)) for kind, each in asked.items()}
    print(f"worker killed as soon as {what}: " + ", ".join(f"{k} {s}" for k, s in standing.items()))
    worker.start()
    beat.start()
    wait_until(
        lambda: not any(each.is_active for each in _reread(asked.values())),
        seconds=240,
        what="all of them end",
    )
    faults = [*made.wrong_with_parts()]
    worker.kill()
    beat.kill()
    faults += [f"{kind}: {f}" for kind, each in subjects.items() for f in each.faults(asked[kind])]
    if not any(each.startswith("at ") for each in standing.values()):
        faults.append("the worker worked on nothing when it was killed")
    return faults


def _reread(asked: Iterable[Operation]) -> list[Operation]:
    return list(Operation.objects.filter(pk__in=[each.pk for each in asked]))


def _standing(operation: Operation) -> str:
    if operation.state not in ACTIVE_STATES:
        return operation.state
    begun = operation.steps.exclude(state=OperationStep.State.PENDING).order_by("-position").first()
    return f"at {begun.name}" if begun else operation.state


def _all_have_begun(asked: Sequence[Operation]) -> bool:
    return all(each.started_at for each in asked)


def _half_of_the_steps_are_done(asked: Sequence[Operation]) -> bool:
    steps = sum(len(runner.FLOWS[each.kind].steps) for each in asked)
    done = OperationStep.objects.filter(operation__in=asked, state=OperationStep.State.DONE)
    return done.count() * 2 >= steps


ROUNDS: tuple[Progress, ...] = (
    ("all have begun", _all_have_begun),
    ("half of the steps are done", _half_of_the_steps_are_done),
)
