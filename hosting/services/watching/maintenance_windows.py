"""Planned maintenance: announced to the clients whom it concerns, called off, and nothing else.

A window is never moved into the past, and what has begun can only be ended: uptime that was lost
can't be taken for maintenance afterwards.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction

from hosting.models import Instance, MaintenanceWindow, Server, Severity, Topic
from hosting.services.telling import notifications
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid

LONGEST = timedelta(days=2)
LONGEST_TEXT = 500
_GRACE = timedelta(minutes=5)  # “now”, by the clock of whoever typed it


@transaction.atomic
def plan(
    *,
    starts_at: datetime,
    ends_at: datetime,
    what: str,
    actor: Actor,
    now: datetime,
    server: Server | None = None,
    instance: Instance | None = None,
) -> MaintenanceWindow:
    """A window for a server, an instance, or everything; the clients are told at once."""
    if server is not None and instance is not None:
        raise Refused("Choose a server or an instance, not both.", field="instance")
    if starts_at < now - _GRACE:
        raise Refused("Maintenance can't be planned for the past.", field="starts_at")
    if ends_at - starts_at > LONGEST:
        raise Refused("It lasts two days at most.", field="ends_at")
    if not 0 < len(what.strip()) <= LONGEST_TEXT:
        raise Refused(f"Say what happens, in up to {LONGEST_TEXT} characters.", field="what")
    window = MaintenanceWindow(
        server=server,
        instance=instance,
        starts_at=starts_at,
        ends_at=ends_at,
        what=what.strip(),
        planned_by_label=actor.label,
        planned_at=now,
    )
    refuse_invalid(window)
    window.save(force_insert=True)
    _announce(window, now, is_over=False)
    audit.record(action="maintenance.planned", actor=actor, obj=window, after=_plain(window))
    return window


@transaction.atomic
def cancel(*, window: MaintenanceWindow, actor: Actor, now: datetime) -> MaintenanceWindow:
    """Call it off; one that goes on is over now, and what has passed of it stays what it was."""
    locked = MaintenanceWindow.objects.select_for_update(of=("self",)).get(pk=window.pk)
    if locked.cancelled_at is not None:
        raise Refused("It was called off already.")
    if locked.ends_at <= now:
        raise Refused("It is over already.")
    before = _plain(locked)
    if locked.starts_at < now:
        locked.ends_at = now
    else:
        locked.cancelled_at = now
    locked.save(update_fields=["ends_at", "cancelled_at"])
    _announce(locked, now, is_over=True)
    audit.record(
        action="maintenance.cancelled", actor=actor, obj=locked, before=before, after=_plain(locked)
    )
    return locked


def _announce(window: MaintenanceWindow, now: datetime, *, is_over: bool) -> None:
    for client, names in _concerned(window):
        zone = ZoneInfo(client.timezone)
        starts, ends = (each.astimezone(zone) for each in (window.starts_at, window.ends_at))
        when = f"{starts:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} ({client.timezone})"
        title = "Maintenance is over or called off" if is_over else "Planned maintenance"
        text = f"{window.what} It is about {names}."
        notifications.notify(
            topic=Topic.MAINTENANCE,
            severity=Severity.INFO,
            key=f"maintenance:{window.pk}",
            title=f"{title}: {when}",
            text=text if not is_over else f"{text} Nothing more happens in this window.",
            now=now,
            client=client,
            data={"starts_at": window.starts_at.isoformat(), "ends_at": window.ends_at.isoformat()},
            is_over=is_over,
        )


def _concerned(window: MaintenanceWindow) -> list[tuple[Client, str]]:
    """Each client with an instance there, and which those are, in words."""
    found = Instance.objects.filter(purpose=Instance.Purpose.CLIENT).exclude(
        state=Instance.State.DELETED
    )
    if window.instance_id is not None:
        found = found.filter(pk=window.instance_id)
    elif window.server_id is not None:
        found = found.filter(server=window.server_id)
    by_client: dict[uuid.UUID, tuple[Client, list[str]]] = {}
    for each in found.select_related("client").order_by("client__name", "name"):
        by_client.setdefault(each.client_id, (each.client, []))[1].append(each.name)
    return [(client, _listed(names)) for client, names in by_client.values()]


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed) if len(listed) <= 10 else f"{len(listed)} of your instances"


def _plain(window: MaintenanceWindow) -> dict[str, object]:
    return {
        "about": str(window.server or window.instance or "everything"),
        "starts_at": window.starts_at.isoformat(),
        "ends_at": window.ends_at.isoformat(),
        "cancelled_at": window.cancelled_at.isoformat() if window.cancelled_at else "",
        "what": window.what,
    }
