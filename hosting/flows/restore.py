"""Putting a backup back into its instance, beside the data that is there.

Everything that can be looked at is looked at before the instance is touched. Then its data is
saved, and stays as it is on top of that: what is put back goes into volumes of its own.
"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

from hosting.engines.errors import GiveUp
from hosting.flows import backup as saving
from hosting.flows import edge, filling, firewall, fitting, generations, replay, stack
from hosting.flows.backup import telling_damage
from hosting.flows.base import Flow, Step, Work
from hosting.flows.parts import Kind
from hosting.models import Backup, Instance, Operation
from hosting.services import restores

ROOM = Decimal("1.2")  # of the data's size: a database takes more than its dump
GB = 10**9
_WELL = (Instance.State.RUNNING, Instance.State.STOPPED)


@telling_damage
def check(work: Work) -> None:
    """See that the backup is there, that it fits, and that there is room for it."""
    restore = generations.move_of(work).restore
    backup = restore.backup
    fitting.check(work, backup)
    if restore.target_at is not None:
        found = replay.courses(restore)
        fitting.check_room(work, backup.size_bytes + sum(each.size_bytes for each in found))
    _check_secrets(work, backup)
    work.report("the backup is there and fits")


@telling_damage
def read_back(work: Work) -> None:
    """Read all of the backup once: what is damaged is found before anything is touched."""
    restore = generations.move_of(work).restore
    to_a_minute = restore.target_at is not None
    saving.read_back(work, restore.backup, with_bases=to_a_minute)
    if to_a_minute:
        replay.read_back(work, restore)
    work.report("all of it is as it was written")


@telling_damage
def save_before(work: Work) -> None:
    """Save what is there, if it is well; files of one that is not are saved once it is stopped."""
    if _missing_volumes(work):
        work.report("nothing is saved: part of its data is gone; what is left stays where it is")
    elif work.instance.state not in _WELL:
        work.report("it is not well: its files are saved once it is stopped")
    else:
        _save_safety(work, rests=saving.is_at_rest(work))


@telling_damage
def save_stopped(work: Work) -> None:
    """Save the files as they lie, where nothing was saved before."""
    safety = generations.move_of(work).restore.safety
    if safety is not None and safety.is_good:
        work.report("saved already")
    elif _missing_volumes(work):
        work.report("nothing is saved: part of its data is gone; what is left stays where it is")
    else:
        _save_safety(work, rests=True)


@telling_damage
def fill(work: Work) -> None:
    """Put the parts into new volumes, from the beginning each time."""
    move = generations.move_of(work)
    work.take_generation(move.goal)
    generations.remove_containers(work)
    generations.empty(work, move.goal)
    work.engine.prepare(work.stack, report=work.report)
    restore = move.restore
    if restore.target_at is None:
        filling.put(work, restore.backup, move.goal)
    else:
        others = (Kind.REDIS, Kind.VOLUME)
        filling.put_parts(work, restore.backup, move.goal, kinds=others)
        replay.put(work, restore, move.goal)


def check_data(work: Work) -> None:
    """Ask the restored databases the catalog's questions, before the app can change the answers."""
    move = generations.move_of(work)
    work.take_generation(move.goal)
    found = fitting.answers(work, move.restore.backup)
    with work.writing():
        restores.record_checks(restore=move.restore, checks=found)
    if move.restore.target_at is None:
        fitting.refuse_misfits(work, found)
    else:  # the backup can't tell what there was at another moment
        work.report("; ".join(f"{name}: {each['said']}" for name, each in found.items()))


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


def _missing_volumes(work: Work) -> bool:
    there = set(work.engine.observe(str(work.instance.pk)).volumes)
    return any(each.name not in there for each in work.stack.volumes if not each.is_spare)


def _save_safety(work: Work, *, rests: bool) -> None:
    move = generations.move_of(work)
    saving.open_store(work)
    with work.writing():
        safety = restores.record_safety(restore=move.restore)
    if not safety.is_good:
        saving.save_into(work, safety, rests=rests)
        saving.prove_all(work, safety)


_HOURS = timedelta(hours=6)
RESTORE = Flow(
    kind=Operation.Kind.RESTORE,
    steps=(
        Step("check", "See that the backup fits", check, timedelta(minutes=5)),
        Step("read", "Read the backup through", read_back, _HOURS),
        Step("safety", "Save what is there", save_before, _HOURS),
        Step("hold", "Hold requests", edge.hold, timedelta(minutes=2)),
        Step("stop", "Stop the services", stack.stop, timedelta(minutes=5)),
        Step("rescue", "Save what could not be saved before", save_stopped, _HOURS),
        Step("fill", "Put the data into new volumes", fill, _HOURS),
        Step("check-data", "Compare the data with the backup", check_data, timedelta(hours=1)),
        Step("protect", "Close the way to the host", firewall.protect, timedelta(minutes=1)),
        Step("start", "Start the services", generations.start, timedelta(minutes=10)),
        Step("ready", "Wait until the app is ready", generations.wait_ready, timedelta(minutes=10)),
        Step("switch", "Switch to the restored data", generations.switch, timedelta(minutes=1)),
        Step("publish", "Publish the address", generations.publish, timedelta(minutes=2)),
        Step("verify", "Open the app through its address", generations.verify),
    ),
    succeeded_as=generations.state_after,
    failed_as=None,
    undo=generations.UNDO_RESTORE,
    undo_from="hold",
    undone=generations.undone,
)
