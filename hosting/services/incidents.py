"""Opening and closing incidents. The same thing noticed again is the same incident."""

from __future__ import annotations

from django.utils import timezone

from hosting.models import Incident, Instance, Server


def open_for(
    *,
    kind: Incident.Kind,
    summary: str,
    server: Server | None = None,
    instance: Instance | None = None,
) -> Incident:
    """The open incident of that kind about that server or instance, made where there is none."""
    incident, is_new = Incident.objects.get_or_create(
        kind=kind,
        server=server,
        instance=instance,
        closed_at=None,
        defaults={"summary": summary},
    )
    if not is_new and incident.summary != summary:
        incident.summary = summary
        incident.save(update_fields=["summary"])
    return incident


def close(
    *, kind: Incident.Kind, server: Server | None = None, instance: Instance | None = None
) -> bool:
    """It is over; True where it was going on."""
    going_on = Incident.objects.filter(kind=kind, server=server, instance=instance, closed_at=None)
    return bool(going_on.update(closed_at=timezone.now()))
