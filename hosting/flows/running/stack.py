"""The steps that deal with an instance's stack. Each may be run twice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from django.conf import settings

from hosting.engines.drift import RUNNING, Expected
from hosting.engines.errors import GiveUp, SubnetTaken, TryLater
from hosting.flows.base import Work
from hosting.services import instances, subnets


def pull(work: Work) -> None:
    """Fetch the images, and pin the instance to exactly what their names meant the first time."""
    pinned = work.engine.pull(work.stack, report=work.report)
    if not work.instance.image_pins:
        with work.writing():
            instances.pin_images(instance=work.instance, pins=pinned)
        work.forget_stack()


def prepare(work: Work) -> None:
    """Create networks and volumes; a subnet that something else holds is replaced by the next."""
    guard_data(work)  # an app that has run may be provisioned again, once that had failed
    while True:
        try:
            return work.engine.prepare(work.stack, report=work.report)
        except SubnetTaken as taken:
            work.report(f"{taken}; taking the next one")
            with work.writing():
                subnets.replace_taken(instance=work.instance, taken_by=str(taken))
            work.instance.refresh_from_db()
            work.forget_stack()


def apply(work: Work) -> None:
    """Converge the containers to the stack, and remember what the reconciler is to find of it."""
    guard_data(work)
    work.engine.apply(work.stack, report=work.report)
    with work.writing():
        expected = Expected.of(work.stack).dump()
        instances.record_expected(instance=work.instance, expected=expected)


def guard_data(work: Work) -> None:
    """GiveUp where a volume of an app that has run is missing: an empty one would hide the loss."""
    if work.instance.first_running_at is None:
        return
    there = set(work.engine.observe(str(work.instance.pk)).volumes)
    wanted = {each.name for each in work.stack.volumes if not each.is_spare}
    lost = sorted(wanted - there)
    if lost:
        raise GiveUp(missing_data(lost))


def missing_data(volumes: Sequence[str]) -> str:
    """The sentence for data that is not on the server any more."""
    what = f"The volume {volumes[0]} is" if len(volumes) == 1 else f"{len(volumes)} volumes are"
    return f"{what} missing on the server: its data has to be restored before the app can start."


def wait_ready(work: Work) -> None:
    """Wait until every service says that it can be used: a worker that hangs is no running app."""
    for service in work.stack.services:
        work.wait_until(
            partial(_is_ready, work, service.name), why=f"{service.name} is not ready yet"
        )
    work.report("the app is ready")


def _is_ready(work: Work, service: str) -> bool:
    """Ask, and start again what does not run: an engine that was killed may leave all stopped."""
    if work.engine.is_ready(work.stack, service):
        return True
    seen = work.engine.observe(str(work.instance.pk)).service(service)
    if seen is None or seen.state not in RUNNING:
        work.engine.apply(work.stack, report=work.report)
    return False


def stop(work: Work) -> None:
    """Stop the containers; they stay, with their data. So do strangers under the same label."""
    work.engine.stop(work.stack, report=work.report)
    for each in work.engine.observe(str(work.instance.pk)).services:
        if each.state in RUNNING:
            work.engine.quarantine(settings.BERTH_OWNER, each.container_id, report=work.report)


def remove(work: Work) -> None:
    """Remove everything that carries the instance's label, data included."""
    work.engine.remove(str(work.instance.pk), with_volumes=True, report=work.report)


def prove_gone(work: Work) -> None:
    """Believe the engine, not the calls: nothing with the label may be left.

    What has turned up since the removal is removed as well: a call of a worker that died may come
    through late.
    """
    observed = work.engine.observe(str(work.instance.pk))
    if not observed.is_gone:
        remove(work)
        observed = work.engine.observe(str(work.instance.pk))
    if not observed.is_gone:
        names = (*(each.name for each in observed.services), *observed.networks, *observed.volumes)
        raise TryLater(f"the server still shows {', '.join(names)}")
    work.report("the server shows nothing of it any more")


def release(work: Work) -> None:
    """Give back what the instance held in Berth."""
    work.report("giving back name, subnet and keys")
    with work.writing():
        instances.release(instance=work.instance)
