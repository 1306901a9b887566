"""When an instance gets a version that is given to all: with whom, within which hours, or not."""

from __future__ import annotations

from datetime import time

from django.db import transaction

from hosting.models import Instance
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor

_FIELDS = ("ring", "changes_from", "changes_until")


def opt(
    *, instance: Instance, is_in: bool, changes_from: time, changes_until: time, actor: Actor
) -> None:
    """Have it take part, or only when asked for, within hours by its client's clock.

    A canary that takes part stays one. Raises ``Refused``, as below, and then nothing is written.
    """
    if not is_in:
        ring = Instance.Ring.NEVER
    elif instance.ring == Instance.Ring.NEVER:
        ring = Instance.Ring.NORMAL
    else:
        ring = Instance.Ring(instance.ring)
    choose(
        instance=instance,
        ring=ring,
        changes_from=changes_from,
        changes_until=changes_until,
        actor=actor,
    )


@transaction.atomic
def choose(
    *,
    instance: Instance,
    ring: Instance.Ring,
    changes_from: time,
    changes_until: time,
    actor: Actor,
) -> None:
    """Set when it gets a new version. What is as it was leaves no event."""
    if changes_from == changes_until:
        raise Refused("The hours begin and end at the same time.", field="changes_until")
    client = Client.objects.select_for_update(no_key=True).get(pk=instance.client_id)
    if not client.is_active:
        raise Refused(f"{client} is inactive: its instances can only be stopped or deleted.")
    locked = Instance.objects.select_for_update(no_key=True).get(pk=instance.pk)
    if locked.is_deleted:
        raise Refused(f"{locked.name} is deleted.")
    before = _told(locked)
    locked.ring, locked.changes_from, locked.changes_until = ring, changes_from, changes_until
    changed = {name: value for name, value in _told(locked).items() if before[name] != value}
    if not changed:
        return
    locked.save(update_fields=_FIELDS)
    audit.record(
        action="instance.new_versions_set",
        actor=actor,
        client=locked.audit_client,
        obj=locked,
        before={name: before[name] for name in changed},
        after=changed,
    )


def _told(instance: Instance) -> dict[str, str]:
    """As the audit log has it."""
    return {
        "ring": str(instance.ring),
        "changes_from": f"{instance.changes_from:%H:%M}",
        "changes_until": f"{instance.changes_until:%H:%M}",
    }
