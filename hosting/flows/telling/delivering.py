"""Sending what is due: mail, webhooks, and other services through Apprise.

The rows are claimed and settled here, in this thread; everything that waits for a network waits at
the same time, so that one receiver that hangs keeps no other waiting.
"""

from __future__ import annotations

import asyncio
import json
import logging
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone

from hosting.engines import apprise_sender, apprise_urls, webhooks
from hosting.engines.outward import Policy
from hosting.engines.webhooks import Hook
from hosting.models import Channel, Delivery, Notification, Severity, Topic
from hosting.selectors.telling import outward
from hosting.services.telling import deliveries, messages, notifications
from tenants.crypto import DecryptionError

logger = logging.getLogger(__name__)

AT_ONCE = 20
MOST_ROUNDS = 5
_GONE = 410
APPRISE_AT_ONCE = 4  # each is a process that loads all of Apprise


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt; ``why`` is empty where it was taken."""

    why: str = ""
    is_final: bool = False
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class _Post:
    """A claimed delivery with all that sending takes: no query is made while it waits."""

    delivery: Delivery
    kind: str
    target: str
    secret: str
    notifications: Sequence[Notification]
    zone: ZoneInfo


def deliver_due() -> int:
    """Send everything that is due; how many messages."""
    done = 0
    for _ in range(MOST_ROUNDS):
        claimed = deliveries.claim(now=timezone.now(), at_most=AT_ONCE)
        if not claimed:
            break
        done += len(claimed)
        _deliver(claimed)
    return done


def _deliver(claimed: Sequence[Delivery]) -> None:
    policy = outward.policy()
    posts = [post for each in claimed if (post := _prepare(each)) is not None]
    if not posts:
        return
    outcomes = asyncio.run(_send_all(posts, policy))
    for post, outcome in zip(posts, outcomes, strict=True):
        _settle(post.delivery, outcome)


def _prepare(delivery: Delivery) -> _Post | None:
    """Ready to be sent; None where it is not to be, which is then written down."""
    channel, now = delivery.channel, timezone.now()
    if not channel.is_working:
        deliveries.drop(delivery=delivery, reason="The channel is not used any more.", now=now)
        return None
    told = delivery.notifications.select_related("instance").order_by("created_at", "is_over")
    try:
        return _Post(
            delivery=delivery,
            kind=channel.kind,
            target=channel.target,
            secret=channel.secret,
            notifications=list(told),
            zone=ZoneInfo(channel.client.timezone if channel.client else "UTC"),
        )
    except DecryptionError as error:
        logger.error("channel %s can't be read: %s", channel.pk, error)
        deliveries.record_failure(
            delivery=delivery, reason="The channel can't be read.", now=now, is_final=True
        )
        return None


def _settle(delivery: Delivery, outcome: Outcome) -> None:
    now = timezone.now()
    if not outcome.why:
        deliveries.record_sent(delivery=delivery, now=now)
        return
    is_stopped = deliveries.record_failure(
        delivery=delivery,
        reason=outcome.why,
        now=now,
        is_final=outcome.is_final,
        is_gone=outcome.is_gone,
    )
    if is_stopped:
        _say_stopped(delivery.channel, outcome.why, now)


def _say_stopped(channel: Channel, why: str, now: datetime) -> None:
    """Through the other channels, if there are any; its page says it in any case."""
    notifications.notify(
        topic=Topic.CHANNELS,
        severity=Severity.WARNING,
        key=f"channel:{channel.pk}:{now:%Y-%m-%d}",
        title=f"Nothing reaches the channel “{channel.name}” any more",
        text=f"Berth has stopped sending there. {why[:1].upper()}{why[1:].rstrip('.')}.",
        now=now,
        client=channel.client,
        group=channel.group,
    )


async def _send_all(posts: Sequence[_Post], policy: Policy) -> list[Outcome]:
    room = asyncio.Semaphore(APPRISE_AT_ONCE)
    return await asyncio.gather(*(_send(each, policy, room) for each in posts))


async def _send(post: _Post, policy: Policy, room: asyncio.Semaphore) -> Outcome:
    """One attempt. What nobody foresaw is an outcome too: the others are settled all the same."""
    try:
        match post.kind:
            case Channel.Kind.MAIL:
                return await asyncio.to_thread(_mail, post)
            case Channel.Kind.WEBHOOK:
                return await _webhook(post, policy)
            case _:
                async with room:
                    return await _apprise(post, policy)
    except Exception as error:
        logger.exception("delivery %s could not be sent", post.delivery.pk)
        return Outcome(why=f"It could not be sent ({type(error).__name__}).")


def _mail(post: _Post) -> Outcome:
    message = messages.compose(post.notifications, base_url=settings.BERTH_URL, zone=post.zone)
    mail = EmailMessage(
        subject=message.title,
        body=message.text,
        to=[post.target],
        headers={"Auto-Submitted": "auto-generated", "X-Berth-Delivery": str(post.delivery.pk)},
    )
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused:
        return Outcome(why="The mail server refuses the address.", is_final=True)
    except (smtplib.SMTPException, OSError) as error:
        return Outcome(why=f"The mail server did not take it ({type(error).__name__}).")
    return Outcome()


async def _webhook(post: _Post, policy: Policy) -> Outcome:
    body = messages.payload(post.notifications, base_url=settings.BERTH_URL)
    answer = await webhooks.post(
        Hook(url=post.target, secret=post.secret),
        message_id=str(post.delivery.pk),
        body=json.dumps(body).encode(),
        now=timezone.now(),
        policy=policy,
    )
    if answer.is_ok:
        return Outcome()
    return Outcome(
        why=answer.error or "It was not taken.",
        is_final=answer.is_final,
        is_gone=answer.status == _GONE,
    )


async def _apprise(post: _Post, policy: Policy) -> Outcome:
    wrong = apprise_urls.problem(post.target, policy)
    if wrong:
        return Outcome(why=wrong, is_final=True)
    message = messages.compose(post.notifications, base_url=settings.BERTH_URL, zone=post.zone)
    sent = await apprise_sender.send(
        url=post.target, title=message.title, body=message.text, policy=policy
    )
    return Outcome(why="" if sent.is_ok else sent.why, is_final=sent.is_final)
