"""Bringing a backup back where nobody sees it, to know that it can be brought back.

The scratch instance gets the app's data and keys, so that it must not act on them: nothing gets out
of its networks, else it would run its client's workflows a second time. Whatever comes of it, the
instance is removed again, and what came of it is written down.
"""

from __future__ import annotations

from datetime import timedelta

from hosting.flows import stacks
from hosting.flows.base import Flow, Step, Undone, Work
from hosting.flows.restoring import clone, fitting
from hosting.flows.running import firewall, preflight, smoke, stack
from hosting.flows.saving.backup import telling_damage
from hosting.models import Instance, Operation, RestoreTest
from hosting.services import trials
from hosting.services.saving import restore_tests

_HOURS = timedelta(hours=6)
_A_MINUTE, _SOME_MINUTES = timedelta(minutes=1), timedelta(minutes=10)


def check_data(work: Work) -> None:
    """Ask the databases the catalog's questions, and keep what they said."""
    test = _test(work)
    found = fitting.answers(work, test.backup)
    with work.writing():
        trials.record_checks(trial=test, checks=found)
    fitting.refuse_misfits(work, found)


def try_pages(work: Work) -> None:
    """Open the catalog's pages, under the name that the app has in its data."""
    smoke.pages(work, work.instance, host=stacks.public_name(work.instance))


def pass_test(work: Work) -> None:
    """It could be brought back, and took so long."""
    with work.writing():
        seconds = restore_tests.record_passed(test=_test(work))
    work.report(f"the backup was brought back in {seconds:.0f} s")


def fail_test(work: Work) -> None:
    """It could not, and why."""
    operation = Operation.objects.get(pk=work.lease.operation_id)
    with work.writing():
        restore_tests.record_failed(
            test=_test(work),
            reason=operation.undoing,
            is_cancelled=operation.cancel_requested_at is not None,
        )
    work.report(operation.undoing)


def undone(operation: Operation) -> Undone:
    """The instance is gone, as after a test that passed."""
    return Undone(Instance.State.DELETED, "What was made for the test is removed.")


def _test(work: Work) -> RestoreTest:
    related = RestoreTest.objects.select_related("backup__instance")
    return related.get(scratch_id=work.instance.pk)


REMOVAL = (
    Step("undo-remove", "Remove what was made for it", stack.remove, _SOME_MINUTES),
    Step("undo-gone", "See that nothing is left", stack.prove_gone, timedelta(minutes=5)),
    Step("undo-release", "Give back what it held", stack.release, _A_MINUTE),
)
RESTORE_TEST = Flow(
    kind=Operation.Kind.RESTORE_TEST,
    steps=(
        Step("check", "See that the backup is there", telling_damage(clone.check), _SOME_MINUTES),
        Step("room", "See that the server has room", preflight.room, _A_MINUTE),
        Step("pull", "Fetch the images", stack.pull, timedelta(minutes=20)),
        Step("protect", "Close the way to the host", firewall.protect, _A_MINUTE),
        Step("prepare", "Create networks and volumes", stack.prepare, timedelta(minutes=2)),
        Step("fill", "Put the data of the backup in", clone.fill, _HOURS),
        Step("check-data", "Compare the data with the backup", check_data, timedelta(hours=1)),
        Step("start", "Start the services", stack.apply, _SOME_MINUTES),
        Step("ready", "Wait until the app is ready", stack.wait_ready, _SOME_MINUTES),
        Step("pages", "Open its pages", try_pages, timedelta(minutes=5)),
        Step("result", "Write down that it passed", pass_test, _A_MINUTE),
        Step("remove", "Remove the test's instance", stack.remove, _SOME_MINUTES),
        Step("gone", "See that nothing is left", stack.prove_gone, timedelta(minutes=5)),
        Step("release", "Give back what it held", stack.release, _A_MINUTE),
    ),
    succeeded_as=Instance.State.DELETED,
    failed_as=Instance.State.DELETED,
    undo=(
        Step("undo-result", "Write down that it did not pass", fail_test, _A_MINUTE),
        *REMOVAL,
    ),
    undo_from="check",
    undone=undone,
)
