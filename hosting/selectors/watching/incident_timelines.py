"""What happened to an incident, line by line: looks that failed, causes, who was told, its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal

from django.db.models import QuerySet

from hosting.models import Delivery, Incident, IncidentEvent, Instance, Notification
from hosting.selectors import reasons
from hosting.selectors.watching import health
from hosting.selectors.watching.health import Look
from tenants.models import Client

Kind = Literal["opened", "noted", "cause", "closed", "failing", "well", "told"]
BEFORE = timedelta(minutes=10)  # looks that led to it are not older
AFTER = timedelta(minutes=1)  # and those that ended it are not newer
MOST_LOOKS = 2000  # that are read: eight hours of them
MOST_RUNS = 20  # of looks alike that are shown

_NOT_ANSWERING = " does not answer since "  # as services.outages writes it

# What a client is told of what carries its instance along with those of others.
_FOR_CLIENTS: dict[str, tuple[str, str]] = {
    Incident.Kind.SERVER_DOWN: (
        "The server that it runs on does not answer.",
        "The server answers again.",
    ),
    Incident.Kind.EDGE_DOWN: (
        "Apps can't be reached at their public addresses.",
        "The addresses answer again.",
    ),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: when, what kind of thing, and a sentence."""

    at: datetime
    kind: Kind
    text: str


def for_staff(incident: Incident, *, now: datetime) -> list[Entry]:
    """Everything, in order; a number of queries that does not grow."""
    events = [Entry(each.at, _kind(each), _sentence(each)) for each in health.timeline(incident)]
    told = Notification.objects.filter(key=_key(incident))
    return _in_order([*events, *_looks(incident, now), *_told(told, with_audience=True)])


def for_client(incident: Incident, *, client: Client, now: datetime) -> list[Entry]:
    """What concerns the client: nothing of a server or of other clients."""
    words = _FOR_CLIENTS.get(incident.kind)
    events = [_worded(each, words) for each in health.timeline(incident)]
    told = Notification.objects.filter(key=_key(incident), client=client)
    looks = _looks(incident, now)
    return _in_order([*filter(None, events), *looks, *_told(told, with_audience=False)])


def summary_for_client(incident: Incident) -> str:
    """What is or was wrong, in a sentence."""
    words = _FOR_CLIENTS.get(incident.kind)
    return words[0] if words else _own(reasons.taken_apart(incident.summary).sentence)


def of_instance(instance: Instance) -> QuerySet[Incident]:
    """All that took the instance away since it was ordered, newest first."""
    return health.incidents_of(instance, since=instance.created_at)


def _key(incident: Incident) -> str:
    """Of what was said about it (``services.alerts``)."""
    return f"incident:{incident.pk}"


def _in_order(entries: Iterable[Entry]) -> list[Entry]:
    """By time; of one moment what was seen, then what followed, then who was told."""
    order = {"failing": 0, "well": 0, "opened": 1, "told": 3}
    return sorted(entries, key=lambda each: (each.at, order.get(each.kind, 2)))


def _kind(event: IncidentEvent) -> Kind:
    kinds: dict[str, Kind] = {
        IncidentEvent.Kind.OPENED: "opened",
        IncidentEvent.Kind.NOTED: "noted",
        IncidentEvent.Kind.CAUSE: "cause",
        IncidentEvent.Kind.CLOSED: "closed",
    }
    return kinds[event.kind]


def _sentence(event: IncidentEvent) -> str:
    return reasons.taken_apart(event.text).sentence


def _worded(event: IncidentEvent, words: tuple[str, str] | None) -> Entry | None:
    if words is None:
        return Entry(event.at, _kind(event), _own(_sentence(event)))
    if event.kind == IncidentEvent.Kind.OPENED:
        return Entry(event.at, "opened", words[0])
    return Entry(event.at, "closed", words[1]) if event.kind == event.Kind.CLOSED else None


def _own(sentence: str) -> str:
    """On the instance's own page, without its name and a moment that stands beside it."""
    _, since, why = sentence.partition(" UTC: ")
    return f"It does not answer: {why}" if since and _NOT_ANSWERING in sentence else sentence


def _looks(incident: Incident, now: datetime) -> list[Entry]:
    """The looks of an instance that did not answer, those in a row that were alike together."""
    if incident.kind != Incident.Kind.INSTANCE_DOWN or incident.instance is None:
        return []
    until = (incident.closed_at or now) + AFTER
    found = health.looks(
        incident.instance, since=incident.opened_at - BEFORE, until=until, most=MOST_LOOKS
    )
    counted = [each for each in found if not each.excuse]
    failing = next((n for n, each in enumerate(counted) if not each.is_up), len(counted))
    runs = [list(run) for _, run in groupby(counted[failing:], key=_alike)]
    shown = [_run(run) for run in runs[:MOST_RUNS]]
    if len(runs) > MOST_RUNS:
        text = "It went on like that; the looks after this are not listed."
        shown.append(Entry(runs[MOST_RUNS][0].at, "noted", text))
    return shown


def _alike(look: Look) -> tuple[bool, str]:
    return look.is_up, look.error


def _run(run: Sequence[Look]) -> Entry:
    number = len(run)
    looks = "A look" if number == 1 else f"{number} looks in a row"
    if run[0].is_up:
        return Entry(run[0].at, "well", f"{looks} found it well.")
    return Entry(run[0].at, "failing", f"{looks} failed: {run[0].error.rstrip('.')}.")


def _told(notifications: QuerySet[Notification], *, with_audience: bool) -> list[Entry]:
    rows = notifications.select_related("client").prefetch_related("deliveries__channel")
    return [
        _notice(each, delivery, with_audience=with_audience)
        for each in rows
        for delivery in each.deliveries.all() or [None]
    ]


def _notice(each: Notification, delivery: Delivery | None, *, with_audience: bool) -> Entry:
    audience = f" to {each.client or each.group}" if with_audience else ""
    if delivery is None:
        return Entry(each.created_at, "told", f"“{each.title}”{audience}: no channel is for it.")
    channel = delivery.channel
    state = delivery.get_state_display().lower()
    why = f" ({delivery.reason.rstrip('.')})" if delivery.reason else ""
    text = f"“{each.title}”{audience}, by {channel.get_kind_display().lower()} {channel.name}: "
    return Entry(delivery.ended_at or each.created_at, "told", f"{text}{state}{why}.")
