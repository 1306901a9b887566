"""Moving an instance from one generation of its data volumes to another, and back again.

Restores, upgrades and the way back from either share these steps. The generation that is left stays
untouched, so that until the end there is a stack that can be started as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import wraps

from django.conf import settings
from django.utils import timezone

from hosting.catalog.builder import databases, journal_volume, volume_name
from hosting.engines.drift import Expected
from hosting.engines.errors import EngineUnavailable, GiveUp, TryLater
from hosting.engines.observed import ObjectKind
from hosting.flows import stacks
from hosting.flows.base import Step, Undone, Work, as_before
from hosting.flows.running import edge, firewall, smoke, stack
from hosting.models import Footing, Instance, Move, Operation
from hosting.selectors import moves as finding
from hosting.services import moves


@dataclass(frozen=True, slots=True)
class Way:
    """From what to what an operation takes the instance."""

    move: Move
    operation: Operation
    origin: Footing
    goal: Footing

    @property
    def is_forward(self) -> bool:
        """Whether it makes its goal; otherwise it goes back to what is there."""
        return self.move.operation_id == self.operation.pk


def way_of(work: Work) -> Way:
    """What the operation does. Who goes back keeps the plan that the instance has by now."""
    operation = Operation.objects.get(pk=work.lease.operation_id)
    move = finding.of_operation(operation)
    origin, goal = move.origin(work.instance), move.goal(work.instance)
    if move.operation_id == operation.pk:
        return Way(move, operation, origin, goal)
    plan = work.instance.plan_id
    origin, goal = replace(origin, plan_id=plan), replace(goal, plan_id=plan)
    return Way(move, operation, goal, origin)


def start(work: Work) -> None:
    """Start the whole stack on the goal's data."""
    work.stand_on(way_of(work).goal)
    stack.guard_data(work)
    work.engine.apply(work.stack, report=work.report)


def wait_ready(work: Work) -> None:
    """Wait until the app can be used with it."""
    work.stand_on(way_of(work).goal)
    stack.wait_ready(work)


def try_pages(work: Work) -> None:
    """Open the pages that the catalog names with it, before anybody else does."""
    goal = way_of(work).goal
    work.stand_on(goal)
    carried = goal.carrying(work.instance)
    smoke.pages(work, carried, host=stacks.public_name(work.instance))


def switch(work: Work) -> None:
    """From here on the instance is the one on the goal's data."""
    way = way_of(work)
    work.stand_on(way.goal)
    expected = Expected.of(work.stack).dump()
    with work.writing():
        moves.record_footing(instance=work.instance, footing=way.goal, expected=expected)
        if way.is_forward:
            moves.record_done(move=way.move, seconds=_seconds_away(way.operation))
        else:
            moves.record_reverted(move=way.move)
    work.report("the data of before is kept" if way.move.keeps_data else "the data is the same")


def publish(work: Work) -> None:
    """Let the edge forward to it; what was stopped before is stopped again."""
    if work.instance.state == Instance.State.STOPPED:
        work.report("it was stopped before, and is stopped again")
        stack.stop(work)
    else:
        edge.route(work)


def verify(work: Work) -> None:
    """Ask for the app the way a browser would, where it is to run."""
    if work.instance.state == Instance.State.STOPPED:
        work.report("it is stopped")
    else:
        edge.verify(work)


def clear(work: Work) -> None:
    """Remove data that was kept for a way back, once that is over. Never what is run on."""
    generations = finding.dispensable_generations(instance=work.instance, now=timezone.now())
    for generation in generations:
        _remove_volumes(work, generation)
    if not generations:
        work.report("no data of before a change has to go")


def state_after(instance: Instance) -> Instance.State:
    """What the instance is after a move: stopped if it was, else it runs."""
    is_stopped = instance.state == Instance.State.STOPPED
    return Instance.State.STOPPED if is_stopped else Instance.State.RUNNING


def remove_containers(work: Work) -> None:
    """Away with all containers of the instance, so that its volumes are free."""
    work.engine.apply(replace(work.stack, services=(), volumes=()), report=work.report)


def empty(work: Work, generation: int) -> None:
    """Remove that generation's volumes, which must not be those that the instance has run on."""
    has_run = work.instance.first_running_at is not None
    if has_run and generation == work.instance.generation:
        raise GiveUp(
            "Berth was about to remove the data that the instance runs on: nothing is done"
        )
    there = set(work.engine.observe(str(work.instance.pk)).volumes)
    for name in sorted(there & _volumes(work.instance, generation)):
        kind, owner = ObjectKind.VOLUME, settings.BERTH_OWNER
        work.engine.remove_object(owner, kind, name, report=work.report)


def _volumes(instance: Instance, generation: int) -> set[str]:
    """The names of that generation's volumes, whichever version of the app they were made for."""
    written = [instance.definition, *finding.definitions(instance)]
    apps = [stacks.read_definition(each) for each in written]
    of_app = {
        volume_name(instance.project, each, generation) for app in apps for each in app.volumes
    }
    return of_app | {
        journal_volume(instance.project, each, generation)
        for app in apps
        for each in databases(app)
    }


def _remove_volumes(work: Work, generation: int) -> None:
    """What something still holds on to is left for the next time."""
    try:
        empty(work, generation)
    except EngineUnavailable:
        raise
    except TryLater as error:
        work.report(f"{error}: it is left for another night")


def _seconds_away(operation: Operation) -> float | None:
    """Since its services began to stop."""
    began = operation.steps.filter(name="stop").values_list("started_at", flat=True).first()
    return (timezone.now() - began).total_seconds() if began else None


# The way back of an operation that failed. It never gives up: what the app itself refuses to do
# is written down, and left to the reconciler once everything else is as it was.


def _as_far_as_it_goes(step: Callable[[Work], None]) -> Callable[[Work], None]:
    """A step of bringing the app up again: left out where it was not up, or can't be."""

    @wraps(step)
    def tried(work: Work) -> None:
        way = way_of(work)
        if work.instance.state == Instance.State.STOPPED:
            work.report("it was stopped before")
            return
        if way.move.trouble:
            work.report("left out, since the app does not come up")
            return
        try:
            step(work)
        except GiveUp as error:
            with work.writing():
                moves.record_trouble(move=way.move, trouble=str(error))
            work.report(str(error))

    return tried


def _hold_again(work: Work) -> None:
    """It may have been published already. A page of the edge meanwhile is no reason to wait."""
    try:
        edge.hold(work)
    except GiveUp as error:
        work.report(str(error))


def _switch_back(work: Work) -> None:
    """The instance is the one on the data of before, again or still."""
    way = way_of(work)
    work.stand_on(way.origin)
    expected = Expected.of(work.stack).dump()
    with work.writing():
        moves.record_footing(instance=work.instance, footing=way.origin, expected=expected)
        moves.record_taken_back(move=way.move, operation=way.operation)


def _route_again(work: Work) -> None:
    """Forward to it, if that was so before."""
    if work.instance.is_routed or work.instance.held_for_id == work.lease.operation_id:
        edge.route(work)
    else:
        work.report("it was not reached through the edge before")


def _clear_goal(work: Work) -> None:
    """Remove what had been filled."""
    if work.instance.state == Instance.State.STOPPED:
        remove_containers(work)
    way = way_of(work)
    if way.move.keeps_data:
        _remove_volumes(work, way.goal.generation)
    else:
        work.report("the data was not copied")


def undone(operation: Operation) -> Undone:
    """What the instance is after the way back."""
    move = finding.of_operation(operation)
    if not move.trouble:
        return as_before(operation)
    ran = operation.instance.state == Instance.State.RUNNING
    return Undone(
        Instance.State.DEGRADED if ran else None,
        f"Its data is as it was before, but the app did not come up with it: {move.trouble}",
    )


UNDO = (
    Step("undo-hold", "Hold requests", _hold_again),
    Step("undo-stop", "Stop the services", stack.stop, timedelta(minutes=5)),
    Step("undo-switch", "Take the data of before", _switch_back, timedelta(minutes=1)),
    Step("undo-protect", "Close the way to the host", _as_far_as_it_goes(firewall.protect)),
    Step(
        "undo-start",
        "Start the services as before",
        _as_far_as_it_goes(stack.apply),
        timedelta(minutes=10),
    ),
    Step(
        "undo-ready",
        "Wait until the app is ready",
        _as_far_as_it_goes(stack.wait_ready),
        timedelta(minutes=10),
    ),
    Step("undo-publish", "Publish the address", _as_far_as_it_goes(_route_again)),
    Step("undo-verify", "Open the app through its address", _as_far_as_it_goes(edge.verify)),
)
UNDO_MOVE = (
    *UNDO,
    Step("undo-clear", "Remove the data that was made for it", _clear_goal, timedelta(minutes=5)),
)
