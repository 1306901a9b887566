"""Taking an instance out of use and back: its stack is stopped, its data is kept and saved on.

Who suspends gives a reason, which the client reads. While it lasts nothing brings the instance up,
whoever asks; stopping, saving and deleting it stay possible. ``settle`` may be called at any time
and as often as one likes: it asks for what could not be asked for at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import transaction
from django.utils import timezone

from hosting.models import ACTIVE_STATES, Instance, Operation
from hosting.selectors import maintenance
from hosting.services import instances
from hosting.services.working import operations
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor

logger = logging.getLogger(__name__)

LONGEST_REASON = 300
BY = Actor.system("suspensions")
_UP = (Instance.State.RUNNING, Instance.State.DEGRADED, Instance.State.FAILED)


@transaction.atomic
def suspend(*, instance: Instance, reason: str, actor: Actor) -> Instance:
    """Take it out of use, and ask for its stop; one that is suspended already stays as it is.

    ``reason`` is a sentence for the client, such as “Invoice 2026-0042 is overdue.” Raises
    ``Refused`` where there is none, or no instance any more.
    """
    said = " ".join(reason.split())
    if not said or len(said) > LONGEST_REASON:
        raise Refused(
            f"Say why, in a sentence of at most {LONGEST_REASON} characters.", field="reason"
        )
    locked = _locked(instance)
    if locked.is_scratch or locked.is_deleted or locked.delete_requested_at:
        raise Refused(f"{locked.name} is deleted, or being so: it can't be suspended.")
    if locked.suspended_at is not None:
        return locked
    is_to_start = _is_to_run(locked) or maintenance.is_stopped_for_it(locked)
    locked.starts_again = locked.starts_again or is_to_start
    locked.suspended_at, locked.suspended_for = timezone.now(), said
    locked.save(update_fields=["suspended_at", "suspended_for", "starts_again"])
    audit.record(
        action="instance.suspended",
        actor=actor,
        client=locked.client,
        obj=locked,
        after={"reason": said},
    )
    _try(locked, _stop)
    return locked


@transaction.atomic
def say_other_reason(*, instance: Instance, was: str, reason: str, actor: Actor) -> Instance:
    """Let its client read another reason, where it is suspended for the one that ``was``."""
    locked = _locked(instance)
    if locked.suspended_at is None or locked.suspended_for != was or reason == was:
        return locked
    locked.suspended_for = reason
    locked.save(update_fields=["suspended_for"])
    audit.record(
        action="instance.suspended",
        actor=actor,
        client=locked.client,
        obj=locked,
        before={"reason": was},
        after={"reason": reason},
    )
    return locked


@transaction.atomic
def resume(*, instance: Instance, actor: Actor, only_for: str = "") -> Instance:
    """Give it back; it is started if it ran before. One that is not suspended stays as it is.

    With ``only_for`` one that is suspended for another reason stays so too.
    """
    locked = _locked(instance)
    if locked.suspended_at is None or (only_for and locked.suspended_for != only_for):
        return locked
    reason, locked.suspended_at, locked.suspended_for = locked.suspended_for, None, ""
    locked.save(update_fields=["suspended_at", "suspended_for"])
    audit.record(
        action="instance.resumed",
        actor=actor,
        client=locked.client,
        obj=locked,
        before={"reason": reason},
    )
    if locked.starts_again:
        _try(locked, _start)
    return locked


def settle() -> None:
    """Stop what is suspended and runs, and start what is not suspended any more."""
    for instance in Instance.objects.filter(suspended_at__isnull=False, state__in=_UP):
        _try(instance, _stop)
    for instance in Instance.objects.filter(suspended_at=None, starts_again=True):
        _try(instance, _start)


def _locked(instance: Instance) -> Instance:
    """The instance as it is now; its client comes first, as wherever both are locked."""
    Client.objects.select_for_update(no_key=True).get(pk=instance.client_id)
    rows = Instance.objects.select_for_update(no_key=True, of=("self",)).select_related("client")
    return rows.prefetch_related(maintenance.prefetch()).get(pk=instance.pk)


def _is_to_run(instance: Instance) -> bool:
    """Whether it runs, or what is going on is to bring it up."""
    active = instance.operations.filter(state__in=ACTIVE_STATES).values_list("kind", flat=True)
    if instance.state in _UP:
        return Operation.Kind.STOP not in active
    return any(kind in operations.BRINGS_UP for kind in active)


def _try(instance: Instance, verb: Callable[[Instance], None]) -> None:
    """What can't be asked for just now is asked for again when settling."""
    try:
        with transaction.atomic():
            verb(instance)
    except Refused as refused:
        logger.info("instance %s waits: %s", instance.pk, refused.message)


def _stop(instance: Instance) -> None:
    locked = _locked(instance)
    if locked.suspended_at is not None and Operation.Kind.STOP in operations.allowed_kinds(locked):
        instances.stop(instance=locked, actor=BY)


def _start(instance: Instance) -> None:
    locked = _locked(instance)
    if locked.suspended_at is not None or not locked.starts_again:
        return
    if locked.state == Instance.State.STOPPED and locked.delete_requested_at is None:
        instances.start(instance=locked, actor=BY)
    elif locked.operations.filter(state__in=ACTIVE_STATES).exists():
        return  # a stop that was asked for before, say: it is looked at again when that has ended
    locked.starts_again = False
    locked.save(update_fields=["starts_again"])
