"""How an instance stands, in words, and the incidents that it had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hosting.models import Incident, Instance
from hosting.selectors.watching import container_health, health, incident_timelines
from hosting.views.states import Status

NEWEST = 3  # on the instance's own page
UPTIME = timedelta(days=30)
GOES_ON = Status("Goes on", "broken", "broken")
OVER = Status("Over", "running", "done")
_TITLES: dict[str, str] = {
    Incident.Kind.INSTANCE_DOWN: "It did not answer",
    Incident.Kind.INSTANCE_DEGRADED: "A part of it did not run",
    Incident.Kind.PART_DOWN: "A part of it did not run",
    Incident.Kind.SERVER_DOWN: "Its server did not answer",
    Incident.Kind.EDGE_DOWN: "Its public address did not answer",
}


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident in words."""

    incident: Incident
    title: str
    sentence: str
    cause: str
    status: Status
    lasted: timedelta

    def what_shows(self) -> tuple[object, ...]:
        """What can change about it on a page."""
        return (self.incident.pk, self.incident.closed_at, self.sentence, self.cause)


@dataclass(frozen=True, slots=True)
class HealthView:
    """How an instance stands, on its page; ``uptime`` is of 30 days, in per cent."""

    status: Status
    uptime: str
    incidents: Sequence[IncidentView]
    containers: str  # empty where nobody looked at them yet

    def what_shows(self) -> tuple[object, ...]:
        """What can change about it on a page."""
        incidents = [each.what_shows() for each in self.incidents]
        return (self.status.word, self.uptime, self.containers, incidents)


def show(incident: Incident, now: datetime) -> IncidentView:
    """An incident as a client reads it."""
    return IncidentView(
        incident=incident,
        title=_TITLES[incident.kind],
        sentence=incident_timelines.summary_for_client(incident),
        cause=incident.cause if incident.instance_id else "",  # a server's is not for clients
        status=GOES_ON if incident.is_open else OVER,
        lasted=(incident.closed_at or now) - incident.opened_at,
    )


def health_of(instance: Instance, *, now: datetime) -> HealthView | None:
    """For the instance's page; None where nobody looked at it yet. Three queries."""
    found = [show(each, now) for each in incident_timelines.of_instance(instance)[:NEWEST]]
    current, containers = container_health.current(instance)
    if current is None and containers is None and not found:
        return None
    today = now.date() + timedelta(days=1)  # wherever the client is, today is among them
    uptime = health.over(instance, since=today - UPTIME, until=today + timedelta(days=1)).uptime
    return HealthView(
        status=_status(
            found,
            is_up=current is None or current.is_up,
            is_whole=containers is None or containers.is_well,
        ),
        uptime="" if uptime is None else f"{uptime.normalize():f}",
        incidents=found,
        containers=containers.shown if containers is not None else "",
    )


def _status(found: Sequence[IncidentView], *, is_up: bool, is_whole: bool) -> Status:
    if any(each.incident.is_open for each in found):
        return Status("Trouble", "broken", "broken")
    if not is_up:
        return Status("Last look failed", "attention", "attention")
    if not is_whole:
        return Status("Part of it is not well", "attention", "attention")
    return Status("Well", "running", "running")
