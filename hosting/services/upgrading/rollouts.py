"""Giving a new version to all instances of an app, in waves that stop themselves.

Each instance is rehearsed on a copy first, and changed only where that went well. Where a rollout
stands is in the database: ``advance`` may be called at any time, by anyone, and twice at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from hosting.models import ACTIVE_STATES, AT_WORK, Instance, Operation, Rollout, RolloutItem
from hosting.selectors.upgrading import rollouts as reading
from hosting.services.upgrading import upgrades
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

logger = logging.getLogger(__name__)
_Item = RolloutItem.State
_OPTED_OUT = "It has opted out."
_OUTCOMES = {
    Operation.State.SUCCEEDED: _Item.SUCCEEDED,
    Operation.State.FAILED: _Item.FAILED,
    Operation.State.CANCELLED: _Item.SKIPPED,
}


def begin(
    *,
    app: str,
    version: str,
    actor: Actor,
    wave_size: int = 5,
    pause: timedelta = timedelta(hours=1),
    most_failures: int = 0,
    in_window: bool = True,
) -> Rollout:
    """Write it down with its waves; the sweep begins them. Raises ``Refused``."""
    if reading.offered().get(app) != version:
        raise Refused(f"The newest version of {app} in the catalog is another.", field="version")
    if wave_size < 1:
        raise Refused("A wave has at least one instance.", field="wave_size")
    if pause < timedelta(0):
        raise Refused("A pause can't be shorter than nothing.", field="pause")
    reached = reading.reached(app, version)
    if not reached:
        raise Refused(f"No instance of {app} can be changed to {version} now.", field="version")
    try:
        with transaction.atomic():
            rollout = Rollout.objects.create(
                app=app,
                version=version,
                wave_size=wave_size,
                pause=pause,
                most_failures=most_failures,
                in_window=in_window,
                requested_by_id=actor.id or None,
                requested_by_label=actor.label,
            )
            RolloutItem.objects.bulk_create(_items(rollout, reached))
            audit.record(
                action="rollout.begun",
                actor=actor,
                obj=rollout,
                after={"app": app, "version": version, "instances": len(reached)},
            )
    except IntegrityError as error:
        raise Refused(f"A rollout of {app} has not ended yet; wait for it, or stop it.") from error
    return rollout


def advance_all(*, now: datetime) -> None:
    """Every rollout that is going on, one step each, and what came in late of those that ended."""
    for rollout in Rollout.objects.filter(state=Rollout.State.RUNNING):
        try:
            advance(rollout=rollout, now=now)
        except Exception:  # the others are none the worse for it
            logger.exception("the rollout %s could not go on; it is tried again", rollout.pk)
    _take_in_late()


def advance(*, rollout: Rollout, now: datetime) -> None:
    """Take in what has ended, then begin what is due of the present wave, or the next one.

    Each instance in a transaction of its own: who holds the audit log's end must not wait for the
    next client.
    """
    for pk in rollout.items.filter(state__in=AT_WORK).values_list("pk", flat=True):
        _one(rollout, pk, now, _take_in)
    for pk in _due(rollout, now):
        _one(rollout, pk, now, _begin_item)


@transaction.atomic
def stop(*, rollout: Rollout, actor: Actor) -> None:
    """Begin nothing more; what is worked on goes on. Raises ``Refused`` where it has ended."""
    locked = _lock(rollout)
    if locked is None:
        raise Refused("It has ended already.")
    _end(locked, Rollout.State.STOPPED, f"Stopped by {actor.label}.", timezone.now())
    audit.record(action="rollout.stopped", actor=actor, obj=locked, after={"by": actor.label})


@transaction.atomic
def pause(*, rollout: Rollout, actor: Actor) -> None:
    """Begin nothing more until ``resume``; what is worked on goes on. Raises ``Refused``."""
    locked = _lock(rollout)
    if locked is None:
        raise Refused("It has ended already.")
    if locked.is_held:
        raise Refused("It is paused already.")
    _hold(locked, timezone.now())
    audit.record(action="rollout.paused", actor=actor, obj=locked)


@transaction.atomic
def resume(*, rollout: Rollout, actor: Actor) -> None:
    """Go on where it was paused. Raises ``Refused`` where it was not."""
    locked = _lock(rollout)
    if locked is None:
        raise Refused("It has ended already.")
    if not locked.is_held:
        raise Refused("It is not paused.")
    _hold(locked, None)
    audit.record(action="rollout.resumed", actor=actor, obj=locked)


def _hold(rollout: Rollout, since: datetime | None) -> None:
    rollout.held_at = since
    rollout.save(update_fields=["held_at"])


def _items(rollout: Rollout, reached: Sequence[Instance]) -> list[RolloutItem]:
    """Canaries are the wave 0, where there are any; the others follow in waves of their size."""
    canaries = [each for each in reached if each.ring == Instance.Ring.CANARY]
    rest = [each for each in reached if each.ring != Instance.Ring.CANARY]
    return [
        *(RolloutItem(rollout=rollout, instance=each, wave=0) for each in canaries),
        *(
            RolloutItem(rollout=rollout, instance=each, wave=1 + number // rollout.wave_size)
            for number, each in enumerate(rest)
        ),
    ]


@transaction.atomic
def _due(rollout: Rollout, now: datetime) -> list[int]:
    """The items to begin; ends the rollout where it has failed too often, or is done."""
    locked = _lock(rollout)
    if locked is None:
        return []
    failures = locked.items.filter(state=_Item.FAILED).count()
    if failures > locked.most_failures:
        what = "instance" if failures == 1 else "instances"
        _end(locked, Rollout.State.STOPPED, f"Stopped by itself: {failures} {what} failed.", now)
        return []
    if locked.is_held:
        return []
    waiting = locked.items.filter(state=_Item.WAITING).order_by("wave", "pk")
    coming = waiting.first()
    if coming is not None:
        due = waiting.filter(wave=coming.wave) if _may_begin(locked, coming.wave, now) else []
        return [each.pk for each in due]
    if not locked.items.filter(state__in=AT_WORK).exists():
        _end(locked, Rollout.State.SUCCEEDED, "", now)
    return []


@transaction.atomic
def _one(
    rollout: Rollout, pk: int, now: datetime, step: Callable[[RolloutItem, Rollout, datetime], None]
) -> None:
    """Do that with one item, while the rollout goes on."""
    locked = _lock(rollout)
    if locked is not None:
        related = locked.items.select_related("instance__client", "rehearsal", "operation")
        step(related.get(pk=pk), locked, now)


def _may_begin(rollout: Rollout, wave: int, now: datetime) -> bool:
    """Whether the waves before have ended, and the pause after them too."""
    earlier = rollout.items.filter(wave__lt=wave)
    if (
        not earlier.exists()
        or rollout.items.filter(wave=wave).exclude(state=_Item.WAITING).exists()
    ):
        return True
    if earlier.filter(state__in=AT_WORK).exists():
        return False
    if rollout.next_wave_at is None:
        rollout.next_wave_at = now + rollout.pause
        rollout.save(update_fields=["next_wave_at"])
    if now < rollout.next_wave_at:
        return False
    rollout.next_wave_at = None
    rollout.save(update_fields=["next_wave_at"])
    return True


def _begin_item(item: RolloutItem, rollout: Rollout, now: datetime) -> None:
    """Rehearse it; outside its hours it goes on waiting."""
    instance = item.instance
    if item.state != _Item.WAITING or rollout.is_held:
        return  # another scheduler was quicker, or somebody who paused it
    if instance.ring == Instance.Ring.NEVER:
        _set(item, _Item.SKIPPED, _OPTED_OUT)
        return
    if rollout.in_window and not reading.is_in_window(instance, now=now):
        return
    try:
        with transaction.atomic():
            item.rehearsal = upgrades.rehearse(
                instance=instance, version=rollout.version, plan="", actor=_actor(rollout)
            )
    except Refused as refused:
        _set(item, _Item.SKIPPED, refused.message)
        return
    _set(item, _Item.REHEARSING, "")


def _take_in(item: RolloutItem, rollout: Rollout, now: datetime) -> None:
    """What became of its rehearsal, or of its change."""
    if item.state == _Item.REHEARSING:
        _after_rehearsal(item, rollout, now)
    elif item.state == _Item.CHANGING:
        _after_change(item)


def _take_in_late() -> None:
    """What was being changed when its rollout ended goes on to its own end."""
    late = RolloutItem.objects.filter(state=_Item.CHANGING)
    for item in late.exclude(rollout__state=Rollout.State.RUNNING).select_related("operation"):
        _after_change(item)


def _after_change(item: RolloutItem) -> None:
    if item.operation is not None and item.operation.state not in ACTIVE_STATES:
        outcome = _OUTCOMES[Operation.State(item.operation.state)]
        _set(item, outcome, item.operation.reason)


def _after_rehearsal(item: RolloutItem, rollout: Rollout, now: datetime) -> None:
    """Change it where that went well: within its hours, and once nothing else is done to it."""
    rehearsal, instance = item.rehearsal, item.instance
    if rehearsal is None or rehearsal.passed is None:
        return
    if not rehearsal.passed:
        _set(item, _Item.FAILED, f"The rehearsal did not go well: {rehearsal.reason}")
        return
    if instance.ring == Instance.Ring.NEVER:
        _set(item, _Item.SKIPPED, _OPTED_OUT)
        return
    if rollout.is_held or (rollout.in_window and not reading.is_in_window(instance, now=now)):
        return
    if instance.operations.filter(state__in=ACTIVE_STATES).exists():
        return
    try:
        with transaction.atomic():
            upgrade = upgrades.request(
                instance=instance, version=rollout.version, plan="", actor=_actor(rollout)
            )
    except Refused as refused:  # changed by its client meanwhile, say, or no room
        _set(item, _Item.SKIPPED, refused.message)
        return
    item.operation = upgrade.operation
    _set(item, _Item.CHANGING, "")


def _set(item: RolloutItem, state: RolloutItem.State, reason: str) -> None:
    item.state, item.reason = state, reason
    item.save(update_fields=["rehearsal", "operation", "state", "reason"])


def _actor(rollout: Rollout) -> Actor:
    return Actor(id=str(rollout.requested_by_id or ""), label=rollout.requested_by_label)


def _lock(rollout: Rollout) -> Rollout | None:
    going_on = Rollout.objects.select_for_update(of=("self",), no_key=True)
    return going_on.filter(pk=rollout.pk, state=Rollout.State.RUNNING).first()


def _end(rollout: Rollout, state: Rollout.State, reason: str, now: datetime) -> None:
    """What it has not begun is left alone; what it rehearses is not changed afterwards."""
    left = (_Item.WAITING, _Item.REHEARSING)
    rollout.items.filter(state__in=left).update(
        state=_Item.SKIPPED, reason="The rollout was stopped before its turn."
    )
    rollout.state, rollout.reason, rollout.finished_at = state, reason, now
    rollout.save(update_fields=["state", "reason", "finished_at"])
