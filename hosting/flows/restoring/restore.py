"""Putting a backup back into its instance, beside the data that is there.

Everything that can be looked at is looked at before the instance is touched. Then its data is
saved, and stays as it is on top of that: what is put back goes into volumes of its own.
"""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

from hosting.engines.errors import GiveUp
from hosting.flows.base import Flow, Step, Work
from hosting.flows.restoring import courses, filling, fitting, replay, safety
from hosting.flows.running import edge, firewall, generations, stack
from hosting.flows.saving import choosing, reading
from hosting.flows.saving.backup import telling_damage
from hosting.flows.saving.parts import Kind
from hosting.flows.saving.sources import Source
from hosting.models import Backup, Operation, Restore
from hosting.services.saving import restores


@telling_damage
def check(work: Work) -> None:
    """See that the backup is there, that it fits, and that there is room for it."""
    restore = _restore(work)
    backup = restore.backup
    choosing.look(work, backup, partial(_look, work, restore))
    _check_secrets(work, backup)
    work.report("the backup is there and fits")


@telling_damage
def read_back(work: Work) -> None:
    """Read all of the backup once: what is damaged is found before anything is touched."""
    restore = _restore(work)
    choosing.look(work, restore.backup, partial(_read_through, work, restore))
    work.report("all of it is as it was written")


@telling_damage
def fill(work: Work) -> None:
    """Put the parts into new volumes, from the beginning each time."""
    goal = generations.way_of(work).goal
    work.stand_on(goal)
    generations.remove_containers(work)
    generations.empty(work, goal.generation)
    work.engine.prepare(work.stack, report=work.report)
    restore = _restore(work)
    source = choosing.of(work, restore.backup)
    if restore.target_at is None:
        filling.put(work, source, goal.generation)
    else:
        others = (Kind.REDIS, Kind.VOLUME)
        filling.put_parts(work, source, goal.generation, kinds=others)
        replay.put(work, restore, source, goal.generation)


def check_data(work: Work) -> None:
    """Ask the restored databases the catalog's questions, before the app can change the answers."""
    work.stand_on(generations.way_of(work).goal)
    restore = _restore(work)
    found = fitting.answers(work, restore.backup)
    with work.writing():
        restores.record_checks(restore=restore, checks=found)
    if restore.target_at is None:
        fitting.refuse_misfits(work, found)
    else:  # the backup can't tell what there was at another moment
        work.report("; ".join(f"{name}: {each['said']}" for name, each in found.items()))


def _look(work: Work, restore: Restore, source: Source) -> None:
    fitting.check(work, source)
    if restore.target_at is not None:
        found = courses.leading_to(restore, source)
        size = restore.backup.size_bytes + sum(each.size_bytes for each in found)
        fitting.check_room(work, size)


def _read_through(work: Work, restore: Restore, source: Source) -> None:
    to_a_minute = restore.target_at is not None
    reading.read_back(work, source, with_bases=to_a_minute)
    if to_a_minute:
        courses.read_back(work, restore, source)


def _check_secrets(work: Work, backup: Backup) -> None:
    """Raise ``GiveUp`` where the app has another key by now; bring back one that it has lost."""
    present = {each.name: each.reveal() for each in work.instance.secrets.all()}
    saved: dict[str, str] = json.loads(str(backup.secrets) or "{}")
    for name in sorted(saved.keys() & present.keys()):
        if saved[name] != present[name]:
            raise GiveUp(
                f"the key {name} of {work.instance.name} is not the one that this backup was"
                " made with: the app could not read its data"
            )
    lost = {name: value for name, value in saved.items() if name not in present}
    if lost:
        work.report(f"bringing back {', '.join(sorted(lost))}")
        with work.writing():
            restores.record_secrets(instance=work.instance, secrets=lost)
        work.forget_stack()


def _restore(work: Work) -> Restore:
    related = Restore.objects.select_related("backup__instance")
    return related.get(operation_id=work.lease.operation_id)


_HOURS = timedelta(hours=6)
RESTORE = Flow(
    kind=Operation.Kind.RESTORE,
    steps=(
        Step("check", "See that the backup fits", check, timedelta(minutes=5)),
        Step("read", "Read the backup through", read_back, _HOURS),
        Step("safety", "Save what is there", safety.save_before, _HOURS),
        Step("hold", "Hold requests", edge.hold, timedelta(minutes=2)),
        Step("stop", "Stop the services", stack.stop, timedelta(minutes=5)),
        Step("rescue", "Save what could not be saved before", safety.save_stopped, _HOURS),
        Step("fill", "Put the data into new volumes", fill, _HOURS),
        Step("check-data", "Compare the data with the backup", check_data, timedelta(hours=1)),
        Step("protect", "Close the way to the host", firewall.protect, timedelta(minutes=1)),
        Step("start", "Start the services", generations.start, timedelta(minutes=10)),
        Step("ready", "Wait until the app is ready", generations.wait_ready, timedelta(minutes=10)),
        Step("pages", "Open its pages", generations.try_pages, timedelta(minutes=5)),
        Step("switch", "Switch to the restored data", generations.switch, timedelta(minutes=1)),
        Step("publish", "Publish the address", generations.publish, timedelta(minutes=2)),
        Step("verify", "Open the app through its address", generations.verify),
    ),
    succeeded_as=generations.state_after,
    failed_as=None,
    undo=generations.UNDO_MOVE,
    undo_from="hold",
    undone=generations.undone,
)
