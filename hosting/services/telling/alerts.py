"""Whom an incident concerns, and in what words they are told."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from hosting.models import Incident, Instance, Notification, Severity, Topic
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
    """A client, and the names of its instances that an incident is about; ``only`` where it is one.

    Told once: at the end it is about those that it began with, whatever became of them.
    """

    client: Client
    names: tuple[str, ...]
    only: Instance | None

    @property
    def spoken(self) -> str:
        """The names as a sentence has them."""
        if len(self.names) > _NAMED:
            return f"{len(self.names)} of your instances"
        *first, last = self.names
        return f"{', '.join(first)} and {last}" if first else last


def incident_opened(*, incident: Incident, now: datetime) -> None:
    """Tell operations, and the clients whom it concerns."""
    kind = incident.get_kind_display()
    _tell_staff(incident, title=f"{kind}: {_about(incident)}", now=now, is_over=False)
    for each in _concerns(incident):
        what = "is degraded" if incident.kind in _IN_PART else "can't be reached"
        many = what if len(each.names) == 1 else what.replace("is", "are", 1)
        title = f"{each.spoken} {many}"
        text = f"{title} since {_clock(incident.opened_at)}. We are looking into it."
        _tell_client(incident, each, title=title, text=text, now=now, is_over=False)


def incident_closed(
    *, incident: Incident, why: str, now: datetime, is_carried: bool = False
) -> None:
    """Tell those who were told that it began that it is over.

    Or that it goes on as part of another one, of which they are told beside it (``is_carried``).
    """
    about = f"{incident.get_kind_display()}: {_about(incident)}"
    title = f"Part of another incident: {about}" if is_carried else f"Over: {about}"
    _tell_staff(incident, title=title, now=now, is_over=True, why=why)
    for each in _told(incident):
        began = f"{each.spoken}: what began at {_clock(incident.opened_at)}"
        if is_carried:
            title = f"{each.spoken}: now part of a larger incident"
            text = f"{began} is not over. It goes on as part of a larger incident."
        else:
            title = f"Over: {each.spoken} had trouble"
            text = f"{began} is over after {_minutes(incident, now)}."
        _tell_client(incident, each, title=title, text=text, now=now, is_over=True)


def _tell_staff(
    incident: Incident, *, title: str, now: datetime, is_over: bool, why: str = ""
) -> None:
    sentence = reasons.taken_apart(incident.summary).sentence
    cause = f" {incident.cause}" if incident.cause else ""
    notifications.notify(
        topic=_topic(incident),
        severity=_severity(incident),
        key=_key(incident),
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
    notifications.notify(
        topic=Topic.HEALTH,
        severity=_severity(incident),
        key=_key(incident),
        title=title,
        text=text,
        now=now,
        client=concern.client,
        instance=concern.only,
        path=_path(incident, concern.client, concern.only),
        data={
            "incident": str(incident.pk),
            "kind": incident.kind,
            "instances": list(concern.names),
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


def _concerns(incident: Incident) -> list[_Concern]:
    """The clients to tell that it began."""
    if incident.kind not in _SAID_TO_CLIENTS:
        return []
    known = Instance.objects.filter(purpose=Instance.Purpose.CLIENT).select_related("client")
    if incident.instance_id is not None:
        found = known.filter(pk=incident.instance_id)
    else:
        found = known.filter(state__in=_UP)
    if incident.server_id is not None:
        found = found.filter(server=incident.server_id)
    return _by_client(found.order_by("client__name", "name"))


def _by_client(instances: Iterable[Instance]) -> list[_Concern]:
    theirs: dict[uuid.UUID, list[Instance]] = {}
    for each in instances:
        theirs.setdefault(each.client_id, []).append(each)
    return [
        _Concern(
            client=each[0].client,
            names=tuple(instance.name for instance in each),
            only=each[0] if len(each) == 1 else None,
        )
        for each in theirs.values()
    ]


def _told(incident: Incident) -> list[_Concern]:
    """The clients who were told that it began, and of which instances."""
    if incident.kind not in _SAID_TO_CLIENTS:
        return []
    begun = Notification.objects.filter(key=_key(incident), is_over=False, client__isnull=False)
    if incident.instance is not None:
        begun = begun.filter(client=incident.instance.client_id)
    return [
        _Concern(client=each.client, names=tuple(each.data["instances"]), only=each.instance)
        for each in begun.select_related("client", "instance").order_by("client__name")
        if each.client is not None
    ]


def _key(incident: Incident) -> str:
    return f"incident:{incident.pk}"


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
