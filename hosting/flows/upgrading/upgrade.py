"""Changing an instance to another version of its app, or another plan, with a way back.

The new version gets a copy of the data, and works on nothing else. What was there before stays as
it was: stopped, with its images on the server. Whatever goes wrong from the moment that requests
are held, the instance is brought back to that by itself.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from hosting.catalog.builder import volume_name
from hosting.engines.errors import GiveUp
from hosting.engines.wanted import Stack
from hosting.flows import stacks
from hosting.flows.base import Flow, Step, Work
from hosting.flows.restoring import safety
from hosting.flows.running import edge, firewall, generations, preflight, stack
from hosting.flows.saving.reading import watched
from hosting.models import Operation, Upgrade
from hosting.selectors import disk
from hosting.services import secrets
from hosting.services.upgrading import upgrades

_HOURS = timedelta(hours=6)


def check(work: Work) -> None:
    """See that the new stack can be built; secrets that are new in it are generated."""
    upgrade = _upgrade(work)
    with work.writing():
        made = secrets.generate_missing(
            instance=work.instance, app=stacks.read_definition(upgrade.to_definition)
        )
    if made:
        work.report(f"new secrets: {', '.join(made)}")
    work.stand_on(generations.way_of(work).goal)
    work.report(f"{work.stack.project} can be built: {upgrade.told}")


def pull(work: Work) -> None:
    """Fetch the new images while everything still runs, and keep exactly what they are."""
    upgrade = _upgrade(work)
    work.stand_on(generations.way_of(work).goal)
    pinned = work.engine.pull(work.stack, report=work.report)
    if not upgrade.to_images:
        with work.writing():
            upgrades.record_images(upgrade=upgrade, images=pinned)
    work.report("the images are there")


def copy(work: Work) -> None:
    """Copy the volumes for the new version, from the beginning each time."""
    way = generations.way_of(work)
    if not way.move.keeps_data:
        work.report("the data stays where it is: only the plan changes")
        return
    old = stacks.build(way.origin.carrying(work.instance))
    work.stand_on(way.goal)
    generations.remove_containers(work)
    generations.empty(work, way.goal.generation)
    work.engine.prepare(work.stack, report=work.report)
    names = stacks.read_definition(way.origin.definition).volumes
    for name in names:
        _copy_volume(work, old, name, way)


def _copy_volume(work: Work, old: Stack, name: str, way: generations.Way) -> None:
    source = volume_name(old.project, name, way.origin.generation)
    target = volume_name(old.project, name, way.goal.generation)
    if all(each.name != target for each in work.stack.volumes):
        work.report(f"{name} is not needed any more; it stays with the data of before")
        return
    work.report(f"copying {name}")
    with closing(work.engine.read_volume(old, source)) as chunks:
        work.engine.write_volume(work.stack, target, watched(work, chunks))
    _see_room(work)


def _see_room(work: Work) -> None:
    """Raise ``GiveUp`` where the copy has used up what is kept back on the server."""
    free = work.engine.capacity().disk_free_bytes
    if free is not None and free < disk.reserve_bytes():
        raise GiveUp(
            f"server {work.instance.server} has {free / disk.GB:.1f} GB of disk free, too little"
            " for a copy of the data"
        )


def _upgrade(work: Work) -> Upgrade:
    related = Upgrade.objects.select_related("from_plan", "to_plan")
    return related.get(operation_id=work.lease.operation_id)


UPGRADE = Flow(
    kind=Operation.Kind.UPGRADE,
    steps=(
        Step("check", "See that the new version fits", check),
        Step("room", "See that the server has room", preflight.room, timedelta(minutes=1)),
        Step("pull", "Fetch the new images", pull, timedelta(minutes=20)),
        Step("safety", "Save what is there", safety.save_before, _HOURS),
        Step("hold", "Hold requests", edge.hold),
        Step("stop", "Stop the services", stack.stop, timedelta(minutes=5)),
        Step("rescue", "Save what could not be saved before", safety.save_stopped, _HOURS),
        Step("copy", "Copy the data", copy, _HOURS),
        Step("protect", "Close the way to the host", firewall.protect, timedelta(minutes=1)),
        Step("start", "Start the new version", generations.start, timedelta(minutes=10)),
        Step("ready", "Wait until it is ready", generations.wait_ready, timedelta(minutes=30)),
        Step("pages", "Open its pages", generations.try_pages, timedelta(minutes=5)),
        Step("switch", "Switch to the new version", generations.switch, timedelta(minutes=1)),
        Step("publish", "Publish the address", generations.publish),
        Step("verify", "Open the app through its address", generations.verify),
    ),
    succeeded_as=generations.state_after,
    failed_as=None,
    undo=generations.UNDO_MOVE,
    undo_from="hold",
    undone=generations.undone,
)
