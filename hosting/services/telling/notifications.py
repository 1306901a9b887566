"""Telling people something: a row, and a message to every channel that is for it.

Nothing is sent here. Whoever calls :func:`notify` does so in the transaction of what happened, so
that it is told if and only if it happened; a worker sends what is due (``flows.delivering``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from hosting.models import Instance, Notification, Severity, Topic
from hosting.services.telling import deliveries
from tenants.models import Client
from tenants.services.groups import FINANCE, OPERATIONS, SUPPORT

GROUPS = (OPERATIONS, SUPPORT, FINANCE)
LONGEST_TITLE = 200
LONGEST_TEXT = 4000


@transaction.atomic
def notify(
    *,
    topic: Topic,
    severity: Severity,
    key: str,
    title: str,
    text: str,
    now: datetime,
    client: Client | None = None,
    group: str = "",
    instance: Instance | None = None,
    path: str = "",
    data: Mapping[str, Any] | None = None,
    is_over: bool = False,
) -> Notification | None:
    """Tell a client, or a group of staff, something. Once for each ``key``: None the next time.

    ``key`` names the occasion, such as ``budget:<instance>:2026-11:80``. ``title`` is a line,
    ``text`` a sentence or more, ``path`` the page of Berth's that tells more, ``data`` what a
    program wants to know; no secret may be in any of them. ``is_over`` says that what was told
    under the same key has passed: it is not told to those who never heard of it.
    """
    _refuse_wrong_audience(client, group)
    ours = Notification.objects.filter(client=client, group=group, key=key)
    if is_over and not ours.filter(is_over=False).exists():
        return None
    notification, is_new = Notification.objects.get_or_create(
        client=client,
        group=group,
        key=key,
        is_over=is_over,
        defaults={
            "topic": topic,
            "severity": severity,
            "instance": instance,
            "title": _line(title),
            "text": text[:LONGEST_TEXT],
            "path": path,
            "data": dict(data or {}),
            "created_at": now,
        },
    )
    if not is_new:
        return None
    deliveries.add(notification=notification, now=now)
    return notification


def forget_old(*, now: datetime) -> int:
    """Remove what was said long ago, with the log of its deliveries; how many."""
    before = now - settings.BERTH_NOTIFICATIONS_KEPT
    deliveries.forget_old(before=before)
    old = Notification.objects.filter(created_at__lt=before)
    return old.exclude(deliveries__isnull=False).delete()[0]


def _refuse_wrong_audience(client: Client | None, group: str) -> None:
    if (client is None) == (not group):
        raise ValueError("A notification is for a client or for a group of staff.")
    if group and group not in GROUPS:
        raise ValueError(f"There is no group of staff called “{group}”.")


def _line(text: str) -> str:
    """Without line breaks: it becomes the subject of a mail."""
    return " ".join(text.split())[:LONGEST_TITLE]
