"""Whom an incident concerns, and in what words they are told."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from hosting.models import Incident, Instance, Severity, Topic
from hosting.selectors import reasons
from hosting.services.telling import notifications
from tenants.models import Client
from tenants.services.groups import OPERATIONS

_Kind = Incident.Kind
_TOPICS: dict[str, Topic] = {
    _Kind.BACKUP_OVERDUE: Topic.BACKUPS,
    _Kind.BACKUP_DAMAGED: Topic.BACKUPS,
    _Kind.BACKUP_NOT_COPIED: Topic.BACKUPS,
    _Kind.RESTORE_TEST_FAILED: Topic.BACKUPS,
    _Kind.RESTORE_TEST_OVERDUE: Topic.BACKUPS,
    _Kind.JOURNAL_BEHIND: Topic.BACKUPS,
    _Kind.JOURNAL_NOT_COPIED: Topic.BACKUPS,
    _Kind.DISK_LOW: Topic.USAGE,
    _Kind.STRAY_OBJECTS: Topic.SECURITY,
    _Kind.FIREWALL_OPEN: Topic.SECURITY,
    _Kind.AUDIT_LOG_BROKEN: Topic.SECURITY,
}
# What takes a client's instances away; the rest of what is wrong is the staff's to put right.
FOR_CLIENTS = (
    _Kind.INSTANCE_DOWN,
    _Kind.INSTANCE_DEGRADED,
    _Kind.PART_DOWN,
    _Kind.SERVER_DOWN,
    _Kind.SERVER_UNREACHABLE,
    _Kind.EDGE_DOWN,
)
_IN_PART = (_Kind.INSTANCE_DEGRADED, _Kind.PART_DOWN)
_CRITICAL = (*FOR_CLIENTS, _Kind.AUDIT_LOG_BROKEN, _Kind.FIREWALL_OPEN, _Kind.BACKUP_DAMAGED)
_NAMED = 5  # instances that a message names; of more it says how many
# An engine that is silent says nothing of the apps: whether they are away, the looks find out.
_SAID_TO_CLIENTS = tuple(each for each in FOR_CLIENTS if each != _Kind.SERVER_UNREACHABLE)
_UP = (Instance.State.RUNNING, Instance.State.DEGRADED)


@dataclass(frozen=True, slots=True)
class _Concern:
    """A client, and those of its instances that an incident is about."""

    client: Client
    instances: tuple[Instance, ...]


def incident_opened(*, incident: Incident, now: datetime) -> None:
    """Tell operations, and the clients whom it concerns."""
    kind = incident.get_kind_display()
    _tell_staff(incident, title=f"{kind}: {_about(incident)}", now=now, is_over=False)
    for each in _concerns(incident):
        names = _names(each.instances)
        what = "is degraded" if incident.kind in _IN_PART else "can't be reached"
        many = what if len(each.instances) == 1 else what.replace("is", "are", 1)
        text = f"{names} {many} since {_clock(incident.opened_at)}. We are looking into it."
        _tell_client(incident, each, title=f"{names} {many}", text=text, now=now, is_over=False)


def incident_closed(*, incident: Incident, why: str, now: datetime) -> None:
    """Tell those who were told that it began that it is over."""
    kind = incident.get_kind_display()
    _tell_staff(incident, title=f"Over: {kind}: {_about(incident)}", now=now, is_over=True, why=why)
    for each in _concerns(incident, is_over=True):
        names = _names(each.instances)
        lasted = _minutes(incident, now)
        title = f"Over: {names} had trouble"
        text = f"{names}: what began at {_clock(incident.opened_at)} is over after {lasted}."
        _tell_client(incident, each, title=title, text=text, now=now, is_over=True)


def _tell_staff(
    incident: Incident, *, title: str, now: datetime, is_over: bool, why: str = ""
) -> None:
    sentence = reasons.taken_apart(incident.summary).sentence
    cause = f" {incident.cause}" if incident.cause else ""
    notifications.notify(
        topic=_topic(incident),
        severity=_severity(incident),
        key=f"incident:{incident.pk}",
        title=title,
        text=f"{sentence}{cause} {why}".strip(),
        now=now,
        group=OPERATIONS,
        instance=incident.instance,
        path=reverse("admin:hosting_incident_change", args=[incident.pk]),
        data=_data(incident),
        is_over=is_over,
    )


def _tell_client(
    incident: Incident, concern: _Concern, *, title: str, text: str, now: datetime, is_over: bool
) -> None:
    only = concern.instances[0] if len(concern.instances) == 1 else None
    notifications.notify(
        topic=Topic.HEALTH,
        severity=_severity(incident),
        key=f"incident:{incident.pk}",
        title=title,
        text=text,
        now=now,
        client=concern.client,
        instance=only,
        path=_path(incident, concern.client, only),
        data={
            "incident": str(incident.pk),
            "kind": incident.kind,
            "instances": [each.name for each in concern.instances],
            "opened_at": incident.opened_at.isoformat(),
            "closed_at": incident.closed_at.isoformat() if incident.closed_at else None,
        },
        is_over=is_over,
    )


def _path(incident: Incident, client: Client, only: Instance | None) -> str:
    """The page of the incident; where it is about many instances, the list of them."""
    if only is not None:
        return reverse("incident", args=[client.slug, only.name, incident.pk])
    return reverse("instances", args=[client.slug])


def _concerns(incident: Incident, *, is_over: bool = False) -> list[_Concern]:
    """The clients to tell. At the end those who were told, whatever became of their instances."""
    if incident.kind not in _SAID_TO_CLIENTS:
        return []
    known = Instance.objects.filter(purpose=Instance.Purpose.CLIENT).select_related("client")
    if incident.instance_id is not None:
        found = known.filter(pk=incident.instance_id)
    elif is_over:
        found = known.exclude(state=Instance.State.DELETED)
    else:
        found = known.filter(state__in=_UP)
    if incident.server_id is not None:
        found = found.filter(server=incident.server_id)
    return _by_client(found.order_by("client__name", "name"))


def _by_client(instances: Iterable[Instance]) -> list[_Concern]:
    theirs: dict[uuid.UUID, list[Instance]] = {}
    for each in instances:
        theirs.setdefault(each.client_id, []).append(each)
    return [_Concern(each[0].client, tuple(each)) for each in theirs.values()]


def _names(instances: tuple[Instance, ...]) -> str:
    names = [each.name for each in instances]
    if len(names) > _NAMED:
        return f"{len(names)} of your instances"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _about(incident: Incident) -> str:
    return str(incident.server or incident.instance or "Berth itself")


def _topic(incident: Incident) -> Topic:
    return _TOPICS.get(incident.kind, Topic.HEALTH)


def _severity(incident: Incident) -> Severity:
    return Severity.CRITICAL if incident.kind in _CRITICAL else Severity.WARNING


def _data(incident: Incident) -> dict[str, object]:
    return {
        "incident": str(incident.pk),
        "kind": incident.kind,
        "about": _about(incident),
        "opened_at": incident.opened_at.isoformat(),
        "closed_at": incident.closed_at.isoformat() if incident.closed_at else None,
    }


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _minutes(incident: Incident, now: datetime) -> str:
    minutes = max(1, round((now - incident.opened_at).total_seconds() / 60))
    return "a minute" if minutes == 1 else f"{minutes} minutes"
