"""The words of a message: one notification, or several together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hosting.models import Notification

MOST_LISTED = 30


@dataclass(frozen=True, slots=True)
class Message:
    """For people: a line, and a text."""

    title: str
    text: str


def compose(notifications: Sequence[Notification], *, base_url: str, zone: ZoneInfo) -> Message:
    """Of what there is to say, in the order in which it happened; moments by that zone's clock."""
    listed = [_paragraph(each, base_url, zone) for each in notifications[:MOST_LISTED]]
    left = len(notifications) - len(listed)
    if left > 0:
        listed.append(f"And {left} more: see {base_url}")
    title = notifications[0].title
    if len(notifications) > 1:
        title = f"{title}, and {len(notifications) - 1} more"
    return Message(title=title, text="\n\n".join(listed))


def payload(notifications: Sequence[Notification], *, base_url: str) -> dict[str, Any]:
    """For programs: what a webhook posts."""
    return {
        "type": "berth.notifications",
        "timestamp": max(each.created_at for each in notifications).isoformat(),
        "data": {"notifications": [_as_data(each, base_url) for each in notifications]},
    }


def _paragraph(notification: Notification, base_url: str, zone: ZoneInfo) -> str:
    at = notification.created_at.astimezone(zone)
    lines = [f"{notification.title}", f"{at:%Y-%m-%d %H:%M} {at.tzname()}", notification.text]
    if notification.path:
        lines.append(f"{base_url}{notification.path}")
    return "\n".join(lines)


def _as_data(notification: Notification, base_url: str) -> dict[str, Any]:
    instance = notification.instance
    return {
        "id": str(notification.pk),
        "topic": notification.topic,
        "severity": notification.severity,
        "is_over": notification.is_over,
        "title": notification.title,
        "text": notification.text,
        "url": f"{base_url}{notification.path}" if notification.path else None,
        "instance": {"id": str(instance.pk), "name": instance.name} if instance else None,
        "created_at": _utc(notification.created_at),
        "data": notification.data,
    }


def _utc(at: datetime) -> str:
    return at.isoformat()
