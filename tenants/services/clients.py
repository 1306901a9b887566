"""Make and change clients."""

from __future__ import annotations

from datetime import UTC, datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from tenants import clocks, hooks
from tenants.clocks import Clock
from tenants.crypto import create_data_key
from tenants.errors import Refused
from tenants.models import Client
from tenants.models.client import validate_time_zone
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid, refused


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
    now: datetime | None = None,
) -> Client:
    """Change what is given, and tell the audit log only of what is different.

    Another time zone counts days from a later day on, which ``Client.clock`` knows. Refused where
    that would leave out a day.
    """
    wanted: dict[str, object] = {"name": name, "timezone": timezone, "is_active": is_active}
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
        now = now or datetime.now(UTC)
        clock = clocks.read(locked.timezone, locked.zones)
        for key, value in after.items():
            setattr(locked, key, value)
        if "timezone" in after:
            _move(locked, clock, now)
        refuse_invalid(locked)
        locked.save(update_fields=[*after, "zones"])
        told = dict(after)
        if "timezone" in after:
            hooks.tell_moved(client=locked, before=clock, now=now)
            told |= _days_from(locked, now)
        audit.record(
            action="client.updated",
            actor=actor,
            client=locked,
            obj=locked,
            before=before,
            after=told,
        )
    return locked


def _move(client: Client, clock: Clock, now: datetime) -> None:
    """Count its days by its time zone as soon as can be."""
    try:
        validate_time_zone(client.timezone)
    except ValidationError as error:
        raise refused(error, field="timezone") from None
    moved = clock.moved(client.timezone, now=now)
    if moved is None:
        here = clock.hindmost(now=now)
        raise Refused(
            f"{client.timezone} is a day or more ahead of {here}, so that a day would be left out;"
            " choose a zone between the two first.",
            field="timezone",
        )
    client.zones = clocks.written(moved)


def _days_from(client: Client, now: datetime) -> dict[str, str]:
    """The first day by the new zone, where there is one to come."""
    first = client.clock.next_move(now=now)
    return {} if first is None else {"days_from": first.isoformat()}


def _taken(slug: str) -> Refused:
    return Refused(f"The short name “{slug}” is taken; choose another.", field="slug")
