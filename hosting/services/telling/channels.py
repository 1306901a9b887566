"""Channels: added, tried, changed and removed by a client's people or by staff."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet

from hosting.engines import apprise_urls, webhooks
from hosting.engines.webhooks import SECRET_PREFIX
from hosting.models import (
    CHOSEN_TOPICS,
    Channel,
    Delivery,
    Notification,
    Severity,
    Topic,
)
from hosting.selectors.telling import outward
from hosting.services.telling import deliveries, notifications
from hosting.services.telling.sending_times import HOUR
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor

MOST_CHANNELS = 20
MOST_TESTS = 5  # within an hour: nobody is to be sent tests without end
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a channel is for: which topics, from which severity on, and when it keeps quiet."""

    topics: Sequence[str] = field(default=tuple(CHOSEN_TOPICS))
    least: str = Severity.INFO
    quiet_from: time | None = None
    quiet_until: time | None = None
    is_urgent_through: bool = True


@transaction.atomic
def add(
    *,
    kind: str,
    name: str,
    target: str,
    wishes: Wishes,
    actor: Actor,
    now: datetime,
    client: Client | None = None,
    group: str = "",
) -> Channel:
    """A new channel, and a test of it on its way. ``Refused`` at the field that is wrong."""
    _check_audience(client, group)
    target = target.strip()
    _check(kind, name, target, wishes)
    _check_number(client, group, now)
    channel = Channel(client=client, group=group, kind=kind, name=name.strip(), created_at=now)
    channel.target, channel.shown = target, _shown(kind, target)
    channel.secret = _new_secret() if kind == Channel.Kind.WEBHOOK else ""
    _apply(channel, wishes)
    channel.save(force_insert=True)
    _send_test(channel, now)
    _record("channel.added", channel, actor, after=_plain(channel))
    return channel


@transaction.atomic
def change(*, channel: Channel, name: str, wishes: Wishes, actor: Actor) -> Channel:
    """Another name, other topics or hours. Where it leads stays: for that, add another one."""
    locked = _locked(channel)
    _check_name(name)
    _check_wishes(wishes)
    before = _plain(locked)
    locked.name = name.strip()
    _apply(locked, wishes)
    locked.save(update_fields=["name", *_WISHES])
    _record("channel.changed", locked, actor, before=before, after=_plain(locked))
    return locked


@transaction.atomic
def remove(*, channel: Channel, actor: Actor, now: datetime) -> None:
    """Send nothing there any more; what waits for it is not sent. Its target is forgotten."""
    locked = _locked(channel)
    locked.removed_at, locked.target, locked.secret = now, "", ""
    locked.save(update_fields=["removed_at", "target", "secret"])
    for state in (Delivery.State.OPEN, Delivery.State.SENDING):
        waiting = Delivery.objects.filter(channel=locked, state=state)
        waiting.update(
            state=Delivery.State.DROPPED, reason="The channel was removed.", ended_at=now
        )
    _record("channel.removed", locked, actor, before=_plain(locked))


@transaction.atomic
def test(*, channel: Channel, actor: Actor, now: datetime) -> Notification:
    """Send a test there, also where the channel was stopped: that starts it again."""
    locked = _locked(channel)
    tested = Notification.objects.filter(
        topic=Topic.TEST, deliveries__channel=locked, created_at__gt=now - HOUR
    )
    if tested.count() >= MOST_TESTS:
        raise Refused(f"It was tried {MOST_TESTS} times within an hour. Wait a little.")
    locked.stopped_at, locked.stopped_why, locked.failing_since = None, "", None
    locked.save(update_fields=["stopped_at", "stopped_why", "failing_since"])
    notification = _send_test(locked, now)
    _record("channel.tested", locked, actor)
    return notification


def of_audience(*, client: Client | None = None, group: str = "") -> QuerySet[Channel]:
    """The channels of a client, or of a group of staff, that were not removed."""
    return Channel.objects.filter(client=client, group=group, removed_at=None)


_WISHES = ("topics", "least", "quiet_from", "quiet_until", "is_urgent_through")


def _send_test(channel: Channel, now: datetime) -> Notification:
    notification = Notification.objects.create(
        client=channel.client,
        group=channel.group,
        topic=Topic.TEST,
        severity=Severity.INFO,
        title=f"Test of the channel “{channel.name}”",
        text="If you can read this, it works. Nothing has happened.",
        key=f"test:{uuid.uuid4()}",
        created_at=now,
    )
    deliveries.add_to(channel=channel, notification=notification, now=now)
    return notification


def _check_audience(client: Client | None, group: str) -> None:
    if (client is None) == (not group):
        raise ValueError("A channel is a client's or a group of staff's.")
    if group and group not in notifications.GROUPS:
        raise Refused("Choose one of the groups of staff.", field="group")


def _check_number(client: Client | None, group: str, now: datetime) -> None:
    """Of those that there are, and of those of an hour: each of them was sent a test."""
    if of_audience(client=client, group=group).count() >= MOST_CHANNELS:
        raise Refused(f"There are {MOST_CHANNELS} channels already. Remove one first.")
    lately = Channel.objects.filter(client=client, group=group, created_at__gt=now - HOUR)
    if lately.count() >= MOST_CHANNELS:
        raise Refused(f"{MOST_CHANNELS} channels were added within an hour. Wait a little.")


def _check(kind: str, name: str, target: str, wishes: Wishes) -> None:
    _check_name(name)
    _check_wishes(wishes)
    if kind == Channel.Kind.MAIL:
        try:
            validate_email(target)
        except ValidationError:
            message = "Type one mail address, such as ops@acme.example."
            raise Refused(message, field="target") from None
        return
    if kind not in Channel.Kind.values:
        raise Refused("Choose mail, a webhook, or another service.", field="kind")
    find = webhooks.problem if kind == Channel.Kind.WEBHOOK else apprise_urls.problem
    problem = find(target, outward.policy())
    if problem:
        raise Refused(problem, field="target")


def _check_name(name: str) -> None:
    if not 0 < len(name.strip()) <= 80 or not name.isprintable():
        raise Refused("Give it a name of up to 80 characters.", field="name")


def _check_wishes(wishes: Wishes) -> None:
    if not wishes.topics or not set(wishes.topics) <= {*CHOSEN_TOPICS}:
        raise Refused("Choose what it is for.", field="topics")
    if wishes.least not in Severity.values:
        raise Refused("Choose how bad it has to be.", field="least")
    if (wishes.quiet_from is None) != (wishes.quiet_until is None):
        raise Refused("Quiet hours have a beginning and an end.", field="quiet_from")
    if wishes.quiet_from is not None and wishes.quiet_from == wishes.quiet_until:
        raise Refused("Quiet hours end at another time than they begin.", field="quiet_until")


def _apply(channel: Channel, wishes: Wishes) -> None:
    channel.topics = [str(each) for each in CHOSEN_TOPICS if each in wishes.topics]
    channel.least = str(wishes.least)
    channel.quiet_from, channel.quiet_until = wishes.quiet_from, wishes.quiet_until
    channel.is_urgent_through = wishes.is_urgent_through


def _shown(kind: str, target: str) -> str:
    """No more than says which it is: paths and tokens are secrets."""
    if kind == Channel.Kind.MAIL:
        return target[:200]
    parts = urlsplit(target)
    if kind == Channel.Kind.WEBHOOK:
        return f"{parts.scheme}://{parts.hostname}/…"[:200]
    return f"{parts.scheme}://{apprise_urls.host(target)}…"[:200]


def _new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _locked(channel: Channel) -> Channel:
    locked = Channel.objects.select_for_update(no_key=True).get(pk=channel.pk)
    if locked.removed_at is not None:
        raise Refused("This channel was removed.")
    return locked


def _plain(channel: Channel) -> dict[str, object]:
    return {
        "name": channel.name,
        "kind": channel.kind,
        "leads_to": channel.shown,
        "group": channel.group,
        "topics": list(channel.topics),
        "least": channel.least,
        "quiet": f"{channel.quiet_from}-{channel.quiet_until}" if channel.quiet_from else "",
    }


def _record(
    action: str,
    channel: Channel,
    actor: Actor,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    audit.record(
        action=action, actor=actor, client=channel.client, obj=channel, before=before, after=after
    )
