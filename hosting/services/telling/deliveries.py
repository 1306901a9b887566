"""Messages to channels: collected, claimed by a worker, and what became of them.

A channel has one message at most that is being collected. A worker claims what is due by moving
``due_at`` on, so that a message whose worker died is due again: it may arrive twice, under the
same id, and is never lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from hosting.models import Channel, Delivery, Notification, Severity, Topic
from hosting.services.telling import sending_times
from hosting.services.telling.sending_times import HOUR, QuietHours

CLAIMED_FOR = timedelta(minutes=5)  # longer than a worker takes for all that it claims at once
GIVEN_UP_AFTER = timedelta(days=3)  # a channel that only failed for so long is stopped
GONE = "The receiver says that it is gone for good (410)."
_RANK = {severity: rank for rank, severity in enumerate(Severity)}
_State = Delivery.State


def add(*, notification: Notification, now: datetime) -> None:
    """Put it into the message of every channel that is for it.

    That something is over goes to the channels that were told that it began, and to no other.
    """
    ours = _of_audience(notification)
    if notification.is_over:
        chosen = list(ours.filter(pk__in=_heard(notification)))
    else:
        chosen = [each for each in ours if _listens(each, notification)]
    for channel in chosen:
        add_to(channel=channel, notification=notification, now=now)


@transaction.atomic
def add_to(*, channel: Channel, notification: Notification, now: datetime) -> Delivery:
    """Put it into the channel's message that is being collected, or begin one."""
    locked = Channel.objects.select_for_update(no_key=True).get(pk=channel.pk)
    due_at = _due(locked, notification, now)
    delivery, is_new = Delivery.objects.get_or_create(
        channel=locked, state=_State.OPEN, defaults={"due_at": due_at, "created_at": now}
    )
    if not is_new and due_at < delivery.due_at:
        delivery.due_at = due_at
        delivery.save(update_fields=["due_at"])
    delivery.notifications.add(notification)
    return delivery


@transaction.atomic
def claim(*, now: datetime, at_most: int) -> list[Delivery]:
    """Take what is due, for :data:`CLAIMED_FOR`; nothing more is added to it from here on.

    What comes late, or again, and has run into its channel's quiet hours waits for their end.
    """
    due = Delivery.objects.filter(state__in=(_State.OPEN, _State.SENDING), due_at__lte=now)
    rows = due.select_for_update(of=("self",), skip_locked=True, no_key=True)
    rows = rows.select_related("channel__client").prefetch_related("notifications")
    found = list(rows.order_by("due_at")[:at_most])
    claimed = []
    for each in found:
        quiet = _quiet(each.channel, each.notifications.all())
        each.due_at = quiet.over_at(now) if quiet else now
        if each.due_at <= now:
            claimed.append(each)
            each.state, each.attempt = _State.SENDING, each.attempt + 1
            each.due_at = now + CLAIMED_FOR
    Delivery.objects.bulk_update(found, ("state", "attempt", "due_at"))
    return claimed


@transaction.atomic
def record_sent(*, delivery: Delivery, now: datetime) -> None:
    """The receiver took it."""
    if _end(delivery, _State.SENT, "", now):
        Channel.objects.filter(pk=delivery.channel_id).update(failing_since=None)


@transaction.atomic
def record_failure(
    *, delivery: Delivery, reason: str, now: datetime, is_final: bool = False, is_gone: bool = False
) -> bool:
    """It did not work: again later, or, where that can't help or was tried often enough, not.

    A channel that took nothing for three days is stopped when a message was tried to the end, and
    so is one that is gone; True where that happened now.
    """
    again_at = (
        None if is_final or is_gone else sending_times.again(now=now, attempt=delivery.attempt)
    )
    if again_at is None:
        if not _end(delivery, _State.FAILED, reason, now):
            return False
    elif not _ours(delivery).update(due_at=again_at, reason=reason):
        return False
    channel = Channel.objects.select_for_update(no_key=True).get(pk=delivery.channel_id)
    channel.failing_since = channel.failing_since or now
    is_over = is_gone or (
        # Not at a first failure: the last one may have been weeks ago, with nothing to say since.
        again_at is None and now - channel.failing_since >= GIVEN_UP_AFTER
    )
    stops = is_over and channel.stopped_at is None
    if stops:
        channel.stopped_at, channel.stopped_why = now, GONE if is_gone else reason
    channel.save(update_fields=["failing_since", "stopped_at", "stopped_why"])
    return stops


def drop(*, delivery: Delivery, reason: str, now: datetime) -> None:
    """Don't send it."""
    _end(delivery, _State.DROPPED, reason, now)


def forget_old(*, before: datetime) -> int:
    """Remove what ended before that; how many."""
    return Delivery.objects.filter(ended_at__lt=before).delete()[0]


def _end(delivery: Delivery, state: Delivery.State, reason: str, now: datetime) -> bool:
    return bool(_ours(delivery).update(state=state, reason=reason, ended_at=now))


def _ours(delivery: Delivery) -> QuerySet[Delivery]:
    """The row, unless another worker has claimed it since."""
    return Delivery.objects.filter(pk=delivery.pk, state=_State.SENDING, attempt=delivery.attempt)


def _of_audience(notification: Notification) -> QuerySet[Channel]:
    ours = Q(client=notification.client_id, group=notification.group)
    return Channel.objects.filter(ours, stopped_at=None, removed_at=None)


def _heard(notification: Notification) -> QuerySet[Channel]:
    """Those that were told that it began, or, under a key below its own, what came of it."""
    key = notification.key
    begun = Notification.objects.filter(
        Q(key=key) | Q(key__startswith=f"{key}:"),
        client=notification.client_id,
        group=notification.group,
        is_over=False,
    )
    return Channel.objects.filter(deliveries__notifications__in=begun)


def _listens(channel: Channel, notification: Notification) -> bool:
    if notification.topic == Topic.CHANNELS:
        return True
    is_bad_enough = _RANK[Severity(notification.severity)] >= _RANK[Severity(channel.least)]
    return is_bad_enough and notification.topic in channel.topics


def _due(channel: Channel, notification: Notification, now: datetime) -> datetime:
    if notification.topic == Topic.TEST:
        return now
    lately = Delivery.objects.filter(channel=channel, created_at__gt=now - 2 * HOUR)
    sent = lately.exclude(state__in=(_State.OPEN, _State.DROPPED))
    return sending_times.due(
        now=now,
        lately=[each.ended_at or each.created_at for each in sent],
        per_hour=settings.BERTH_NOTIFY_PER_HOUR,
        quiet=_quiet(channel, [notification]),
    )


def _quiet(channel: Channel, notifications: Iterable[Notification]) -> QuietHours | None:
    """The hours in which a message of these waits; None where it waits for none."""
    if channel.quiet_from is None or channel.quiet_until is None:
        return None
    is_loud = any(
        each.topic == Topic.TEST
        or (channel.is_urgent_through and each.severity == Severity.CRITICAL)
        for each in notifications
    )
    if is_loud:
        return None
    zone = ZoneInfo(channel.client.timezone if channel.client else "UTC")
    return QuietHours(channel.quiet_from, channel.quiet_until, zone)
