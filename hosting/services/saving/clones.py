"""New instances from backups: the same app with the same data, beside the one that was saved."""

from __future__ import annotations

import json
from dataclasses import replace

from django.db import IntegrityError, transaction
from pydantic import ValidationError

from hosting.catalog.schema import App
from hosting.models import Backup, Instance, Server
from hosting.selectors import offers
from hosting.services import ordering
from hosting.services.saving import restores
from hosting.services.working import operations
from tenants.errors import Refused
from tenants.models import Client
from tenants.services.actors import Actor


def request(
    *,
    backup: Backup,
    name: str,
    plan: str,
    actor: Actor,
    order_key: str | None = None,
    server: Server | None = None,
    is_from_copy: bool = False,
) -> Instance:
    """Order an instance with the data of that backup, at the same client.

    It has the app at the backup's version, the app's own keys, without which the data is worth
    nothing, and passwords and an address of its own. The instance that was saved is not touched;
    it may be gone. Staff may choose the ``server``, otherwise Berth does, and may have the backup
    read from the second place. The same ``order_key`` twice gives the instance of the first time.
    Raises ``Refused`` with the field's name, and then nothing is written.
    """
    try:
        with transaction.atomic():
            client = Client.objects.select_for_update(no_key=True).get(pk=backup.instance.client_id)
            # Locked: what is let go in the same moment is not copied.
            chosen = Backup.objects.select_for_update(of=("self",)).get(pk=backup.pk)
            order = order_from(
                chosen, client, plan=plan, name=name, key=order_key or "", server=server
            )
            if is_from_copy:
                restores.refuse_uncopied(backup=chosen)
                order = replace(order, is_from_copy=True)
            return ordering.place(order, actor=actor)
    except IntegrityError as error:
        raise Refused(offers.taken(name), field="name") from error


def order_from(
    backup: Backup,
    client: Client,
    *,
    plan: str,
    name: str,
    key: str = "",
    purpose: Instance.Purpose = Instance.Purpose.CLIENT,
    server: Server | None = None,
) -> ordering.Order:
    """What brings the app back as it was. Raises ``Refused`` for a backup that can't be read."""
    restores.refuse_unreadable(backup=backup)
    if purpose == Instance.Purpose.CLIENT:
        operations.refuse_suspended(backup.instance)
    return ordering.Order(
        client=client,
        app=_app(backup),
        version=backup.manifest["version"],
        plan=plan,
        name=name,
        key=key,
        images=backup.manifest["images"],
        keys=json.loads(str(backup.secrets) or "{}"),
        made_from=backup,
        is_from_copy=backup.lost_at is not None,
        purpose=purpose,
        server=server,
    )


def record_change_over(*, instance: Instance) -> None:
    """Its backup is read from the second place from now on, as the first is broken.

    The caller is in a transaction that holds the operation's lease.
    """
    instance.is_made_from_copy = True
    instance.save(update_fields=["is_made_from_copy"])


def _app(backup: Backup) -> App:
    """The catalog entry as it was at the time."""
    try:
        return App.model_validate(backup.manifest["definition"])
    except ValidationError as error:
        raise Refused("This Berth can't read the app's definition in this backup.") from error
