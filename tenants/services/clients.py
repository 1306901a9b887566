"""Make and change clients."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from tenants.crypto import create_data_key
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid


def create(*, name: str, slug: str, timezone: str = "UTC", actor: Actor) -> Client:
    """A new client with its data key. Refused where a value is bad or the short name is taken."""
    client = Client(name=name.strip(), slug=slug.strip(), timezone=timezone)
    if Client.objects.filter(slug=client.slug).exists():
        raise _taken(client.slug)
    refuse_invalid(client)
    try:
        with transaction.atomic():
            client.save(force_insert=True)
            create_data_key(client=client)
            after = {"name": client.name, "slug": client.slug, "timezone": client.timezone}
            audit.record(
                action="client.created", actor=actor, client=client, obj=client, after=after
            )
    except IntegrityError:
        if Client.objects.filter(slug=client.slug).exists():  # someone else was quicker
            raise _taken(client.slug) from None
        raise
    return client


def update(
    *,
    client: Client,
    name: str | None = None,
    timezone: str | None = None,
    is_active: bool | None = None,
    actor: Actor,
) -> Client:
    """Change what is given, and tell the audit log only of what is different."""
    wanted = {"name": name, "timezone": timezone, "is_active": is_active}
    with transaction.atomic():
        locked = Client.objects.select_for_update(no_key=True).get(pk=client.pk)
        after = {
            key: value
            for key, value in wanted.items()
            if value is not None and value != getattr(locked, key)
        }
        if not after:
            return locked
        before = {key: getattr(locked, key) for key in after}
        for key, value in after.items():
            setattr(locked, key, value)
        refuse_invalid(locked)
        locked.save(update_fields=list(after))
        audit.record(
            action="client.updated",
            actor=actor,
            client=locked,
            obj=locked,
            before=before,
            after=after,
        )
    return locked


def _taken(slug: str) -> Refused:
    return Refused(f"The short name “{slug}” is taken; choose another.", field="slug")
