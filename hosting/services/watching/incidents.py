"""Opening and closing incidents. The same thing noticed again is the same incident.

What happens to one stands in its timeline, and is told to those whom it concerns
(``services.alerts``), in the same transaction.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from hosting.models import Incident, IncidentEvent, Instance, Server
from hosting.services.telling import alerts

_Kind = IncidentEvent.Kind
OVER = "It is over."


@transaction.atomic
def open_for(
    *,
    kind: Incident.Kind,
    summary: str,
    server: Server | None = None,
    instance: Instance | None = None,
    cause: str = "",
    now: datetime | None = None,
) -> Incident:
    """The open incident of that kind about that server or instance, made where there is none."""
    at = now or timezone.now()
    incident, is_new = Incident.objects.get_or_create(
        kind=kind,
        server=server,
        instance=instance,
        closed_at=None,
        defaults={"summary": summary, "cause": cause, "opened_at": at},
    )
    if is_new:
        note(incident=incident, kind=_Kind.OPENED, text=summary, now=at)
        if cause:
            note(incident=incident, kind=_Kind.CAUSE, text=cause, now=at)
        alerts.incident_opened(incident=incident, now=at)
    elif incident.summary != summary:
        incident.summary = summary
        incident.save(update_fields=["summary"])
    return incident


def explain(*, incident: Incident, cause: str, now: datetime, instead_of: str = "") -> bool:
    """Write down why, where that was not known yet; whether it was not.

    ``instead_of`` is what was said before, where this says it better.
    """
    unexplained = Incident.objects.filter(pk=incident.pk, cause=instead_of)
    with transaction.atomic():
        if not cause or cause == instead_of or not unexplained.update(cause=cause):
            return False
        note(incident=incident, kind=_Kind.CAUSE, text=cause, now=now)
    return True


def note(
    *, incident: Incident, text: str, now: datetime, kind: IncidentEvent.Kind = _Kind.NOTED
) -> IncidentEvent:
    """One more line in its timeline."""
    return IncidentEvent.objects.create(incident=incident, kind=kind, text=text, at=now)


def close(
    *,
    kind: Incident.Kind,
    server: Server | None = None,
    instance: Instance | None = None,
    why: str = OVER,
    now: datetime | None = None,
    is_carried: bool = False,
) -> bool:
    """It is over; True where it was going on.

    ``is_carried`` says that the trouble is not: it is part of another incident from now on.
    """
    going_on = Incident.objects.filter(kind=kind, server=server, instance=instance, closed_at=None)
    incident = going_on.select_related("server", "instance__client").first()
    if incident is None:
        return False
    return _close(incident, why, now or timezone.now(), is_carried=is_carried)


@transaction.atomic
def _close(incident: Incident, why: str, at: datetime, *, is_carried: bool) -> bool:
    """Whether it was open until now: of many that close it at once, one has."""
    at = max(at, incident.opened_at)
    if not Incident.objects.filter(pk=incident.pk, closed_at=None).update(closed_at=at):
        return False
    incident.closed_at = at
    note(incident=incident, kind=_Kind.CLOSED, text=why, now=at)
    alerts.incident_closed(incident=incident, why=why, now=at, is_carried=is_carried)
    return True
