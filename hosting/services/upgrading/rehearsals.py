"""Trying an upgrade on a copy before it is done."""

from __future__ import annotations

import uuid

from django.db import transaction

from hosting.models import Backup, Instance, Rehearsal
from hosting.selectors.saving import backups
from hosting.selectors.upgrading.upgrades import Target
from hosting.services import ordering
from hosting.services.saving import clones
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor


@transaction.atomic
def request(*, instance: Instance, target: Target, actor: Actor) -> Rehearsal:
    """Bring the newest proven backup up in a closed scratch instance, and upgrade that.

    Raises ``Refused`` where there is no backup, one is being tried already, or no server has room.
    """
    client = Client.objects.select_for_update(no_key=True).get(pk=instance.client_id)
    if not client.is_active:
        raise Refused(f"{client} is inactive: its instances can only be stopped or deleted.")
    backup = backups.newest_proven(instance)
    if backup is None:
        raise Refused(f"{instance.name} has no proven backup yet to rehearse with: make one first.")
    if Rehearsal.objects.filter(backup__instance=instance, passed=None).exists():
        raise Refused(f"An upgrade of {instance.name} is being rehearsed already.")
    chosen = Backup.objects.select_for_update(of=("self",)).get(pk=backup.pk)
    order = clones.order_from(
        chosen,
        client,
        plan=target.plan.slug,
        name=f"rehearsal-{uuid.uuid4().hex[:12]}",
        purpose=Instance.Purpose.REHEARSAL,
    )
    rehearsal = Rehearsal.objects.create(
        backup=chosen,
        scratch=ordering.place(order, actor=Actor.system("rehearsals")),
        to_version=target.version,
        to_definition=target.definition,
        to_plan=target.plan,
    )
    audit.record(
        action="instance.rehearsal_requested",
        actor=actor,
        client=client,
        obj=instance,
        after={
            "version": target.version,
            "plan": target.plan.slug,
            "backup": str(chosen.pk),
        },
    )
    return rehearsal
