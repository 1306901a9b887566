"""Trying an upgrade where nobody sees it: on what is brought back of the newest backup.

The scratch instance is filled as the version was that made the backup; then the new version starts
on that data, as it would in the real one. Like a restore test it reaches nobody, and is removed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hosting.flows import stacks
from hosting.flows.base import Flow, Step, Work
from hosting.flows.restoring import clone, fitting, restore_test
from hosting.flows.running import firewall, preflight, smoke, stack
from hosting.flows.saving.backup import telling_damage
from hosting.models import Footing, Instance, Operation, Rehearsal
from hosting.services import secrets, trials

_HOURS = timedelta(hours=6)
_A_MINUTE, _SOME_MINUTES = timedelta(minutes=1), timedelta(minutes=10)


def pull(work: Work) -> None:
    """Fetch the images of both versions."""
    rehearsal = _rehearsal(work)
    with work.writing():
        app = stacks.read_definition(rehearsal.to_definition)
        secrets.generate_missing(instance=work.instance, app=app)
    stack.pull(work)
    work.stand_on(_goal(work))
    work.engine.pull(work.stack, report=work.report)


def check_data(work: Work) -> None:
    """Ask the databases the catalog's questions, and keep what they said."""
    rehearsal = _rehearsal(work)
    found = fitting.answers(work, rehearsal.backup)
    with work.writing():
        trials.record_checks(trial=rehearsal, checks=found)
    fitting.refuse_misfits(work, found)


def start(work: Work) -> None:
    """Start the new version on the data of the old one."""
    work.stand_on(_goal(work))
    work.engine.apply(work.stack, report=work.report)


def wait_ready(work: Work) -> None:
    """Wait until the app can be used."""
    work.stand_on(_goal(work))
    stack.wait_ready(work)


def try_pages(work: Work) -> None:
    """Open the pages that the catalog names for the new version."""
    goal = _goal(work)
    work.stand_on(goal)
    smoke.pages(work, goal.carrying(work.instance), host=stacks.public_name(work.instance))


def pass_rehearsal(work: Work) -> None:
    """The upgrade went well here, and took so long."""
    with work.writing():
        seconds = trials.record_passed(trial=_rehearsal(work))
    work.report(f"the upgrade went well, in {seconds:.0f} s with bringing the data back")


def fail_rehearsal(work: Work) -> None:
    """It did not, and why."""
    reason = Operation.objects.get(pk=work.lease.operation_id).undoing
    with work.writing():
        trials.record_failed(trial=_rehearsal(work), reason=reason)
    work.report(reason)


def _goal(work: Work) -> Footing:
    rehearsal = _rehearsal(work)
    return replace(
        Footing.of(work.instance),
        version=rehearsal.to_version,
        definition=rehearsal.to_definition,
        image_pins={},
    )


def _rehearsal(work: Work) -> Rehearsal:
    related = Rehearsal.objects.select_related("backup__instance", "to_plan")
    return related.get(scratch_id=work.instance.pk)


REHEARSAL = Flow(
    kind=Operation.Kind.REHEARSAL,
    steps=(
        Step("check", "See that the backup is there", telling_damage(clone.check), _SOME_MINUTES),
        Step("room", "See that the server has room", preflight.room, _A_MINUTE),
        Step("pull", "Fetch the images of both versions", pull, timedelta(minutes=40)),
        Step("protect", "Close the way to the host", firewall.protect, _A_MINUTE),
        Step("prepare", "Create networks and volumes", stack.prepare, timedelta(minutes=2)),
        Step("fill", "Put the data of the backup in", clone.fill, _HOURS),
        Step("check-data", "Compare the data with the backup", check_data, timedelta(hours=1)),
        Step("start", "Start the new version", start, _SOME_MINUTES),
        Step("ready", "Wait until it is ready", wait_ready, timedelta(minutes=30)),
        Step("pages", "Open its pages", try_pages, timedelta(minutes=5)),
        Step("result", "Write down that it went well", pass_rehearsal, _A_MINUTE),
        Step("remove", "Remove the copy", stack.remove, _SOME_MINUTES),
        Step("gone", "See that nothing is left", stack.prove_gone, timedelta(minutes=5)),
        Step("release", "Give back what it held", stack.release, _A_MINUTE),
    ),
    succeeded_as=Instance.State.DELETED,
    failed_as=Instance.State.DELETED,
    undo=(
        Step("undo-result", "Write down that it did not go well", fail_rehearsal, _A_MINUTE),
        *restore_test.REMOVAL,
    ),
    undo_from="check",
    undone=restore_test.undone,
)
