"""What happened to an incident, line by line: looks that failed, causes, who was told, its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal, TypedDict

from django.db.models import QuerySet

from hosting.models import Delivery, Incident, IncidentEvent, Instance, Notification
from hosting.selectors import reasons
from hosting.selectors.watching import container_health, health
from hosting.selectors.watching.health import Look
from tenants.models import Client

Kind = Literal["opened", "noted", "cause", "closed", "failing", "well", "told"]
BEFORE = timedelta(minutes=10)  # looks that led to it are not older
AFTER = timedelta(minutes=1)  # and those that ended it are not newer
MOST_LOOKS = 2000  # that are read: eight hours of them
MOST_RUNS = 20  # of looks alike that are shown

# As services.watching writes what an instance's own page says without its name.
_OWN = {
    " does not answer since ": "It does not answer",
    " runs only in part since ": "It runs only in part",
}
_WITH_CONTAINERS = (Incident.Kind.INSTANCE_DOWN, Incident.Kind.PART_DOWN)

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


class _Times(TypedDict):
    """Which looks are read."""

    since: datetime
    until: datetime
    most: int


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
    own = next((said for phrase, said in _OWN.items() if phrase in sentence), "")
    return f"{own}: {why}" if since and own else sentence


def _looks(incident: Incident, now: datetime) -> list[Entry]:
    """The looks at an instance that was not well, those in a row that were alike together."""
    if incident.instance is None:
        return []
    since, until = incident.opened_at - BEFORE, (incident.closed_at or now) + AFTER
    times: _Times = {"since": since, "until": until, "most": MOST_LOOKS}
    found = []
    if incident.kind == Incident.Kind.INSTANCE_DOWN:
        found += _runs(health.looks(incident.instance, **times), _run)
    if incident.kind in _WITH_CONTAINERS:
        found += _runs(container_health.looks(incident.instance, **times), _run_of_containers)
    return found


def _runs(found: Sequence[Look], worded: Callable[[Sequence[Look]], Entry]) -> list[Entry]:
    """Those that count, from the first that failed on."""
    counted = [each for each in found if not each.excuse]
    failing = next((n for n, each in enumerate(counted) if not each.is_up), len(counted))
    runs = [list(run) for _, run in groupby(counted[failing:], key=_alike)]
    shown = [worded(run) for run in runs[:MOST_RUNS]]
    if len(runs) > MOST_RUNS:
        text = "It went on like that; the looks after this are not listed."
        shown.append(Entry(runs[MOST_RUNS][0].at, "noted", text))
    return shown


def _alike(look: Look) -> tuple[bool, str]:
    return look.is_up, look.error


def _run(run: Sequence[Look]) -> Entry:
    if run[0].is_up:
        return Entry(run[0].at, "well", f"{_counted(run)} found it well.")
    return Entry(run[0].at, "failing", f"{_counted(run)} failed: {run[0].error.rstrip('.')}.")


def _run_of_containers(run: Sequence[Look]) -> Entry:
    """The first look that found all well stands for those that followed: these are not kept."""
    if run[0].is_up:
        return Entry(run[0].at, "well", "All its containers were well again.")
    text = f"{_counted(run)} at its containers failed: {run[0].error.rstrip('.')}."
    return Entry(run[0].at, "failing", text)


def _counted(run: Sequence[Look]) -> str:
    return "A look" if len(run) == 1 else f"{len(run)} looks in a row"


def _told(notifications: QuerySet[Notification], *, with_audience: bool) -> list[Entry]:
    """Those of one moment in an order of their own: staff, then clients by name."""
    rows = notifications.select_related("client").prefetch_related("deliveries__channel")
    return [
        _notice(each, delivery, with_audience=with_audience)
        for each in rows.order_by("created_at", "-group", "client__name", "pk")
        for delivery in (*sorted(each.deliveries.all(), key=_channel),) or (None,)
    ]


def _channel(delivery: Delivery) -> str:
    return delivery.channel.name


def _notice(each: Notification, delivery: Delivery | None, *, with_audience: bool) -> Entry:
    audience = f" to {each.client or each.group}" if with_audience else ""
    if delivery is None:
        return Entry(each.created_at, "told", f"“{each.title}”{audience}: no channel is for it.")
    channel = delivery.channel
    state = delivery.get_state_display().lower()
    why = f" ({delivery.reason.rstrip('.')})" if delivery.reason else ""
    text = f"“{each.title}”{audience}, by {channel.get_kind_display().lower()} {channel.name}: "
    return Entry(delivery.ended_at or each.created_at, "told", f"{text}{state}{why}.")
