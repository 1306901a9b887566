"""Whom Berth tells what: channels, what there was to say, and what became of saying it."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from hosting.models.instance import Instance
from tenants.crypto import HOUSE, EncryptedTextField
from tenants.models import Client


class Topic(models.TextChoices):
    """What a notification is about; a channel gets those that it was made for."""

    HEALTH = "health", "Something does not answer or does not run"
    BACKUPS = "backups", "Backups, restore tests and journals"
    USAGE = "usage", "Memory, CPU and disk near their limits"
    BUDGET = "budget", "Quotas and budgets"
    MAINTENANCE = "maintenance", "Planned maintenance"
    SECURITY = "security", "The audit log, the firewall, things that belong to nobody"
    CHANNELS = "channels", "Channels that no longer work"
    TEST = "test", "Tests of the channel"


class Severity(models.TextChoices):
    """How much of a hurry it is."""

    INFO = "info", "Good to know"
    WARNING = "warning", "Needs a look"
    CRITICAL = "critical", "Broken"


# Beside a test, which is for one channel, and a broken channel, which everybody has to hear of.
CHOSEN_TOPICS = tuple(each for each in Topic if each not in (Topic.TEST, Topic.CHANNELS))


class Channel(models.Model):
    """A way to reach a client's people, or a group of staff.

    ``target`` (an address or URL) and the signing secret are sealed under the client's data key;
    those of the staff's channels under Berth's own.
    """

    class Kind(models.TextChoices):
        MAIL = "mail", "Mail"
        WEBHOOK = "webhook", "Webhook"
        APPRISE = "apprise", "Chat or another service"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(
        Client, on_delete=models.CASCADE, null=True, blank=True, related_name="channels"
    )
    group = models.CharField(
        max_length=20, blank=True, default="", help_text="Of staff, where it is no client's."
    )
    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=80)
    target = EncryptedTextField()
    shown = models.CharField(
        max_length=200, editable=False, help_text="As much of the target as may be shown."
    )
    secret = EncryptedTextField()  # empty where nothing is signed
    topics = ArrayField(models.CharField(max_length=12, choices=Topic), default=list)
    least = models.CharField(
        "from", max_length=8, choices=Severity, default=Severity.INFO, help_text="And worse."
    )
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    is_urgent_through = models.BooleanField(
        "what is broken comes through", default=True, help_text="In the quiet hours as well."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    stopped_at = models.DateTimeField(null=True, blank=True, editable=False)
    stopped_why = models.TextField(blank=True, default="", editable=False)
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[models.Manager[Channel]] = models.Manager()

    class Meta:
        ordering = ("created_at",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(client=None, group__gt="")
                | models.Q(client__isnull=False, group=""),
                name="channel_is_a_clients_or_a_groups",
            ),
            models.CheckConstraint(
                condition=models.Q(quiet_from=None, quiet_until=None)
                | models.Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="quiet_hours_have_two_ends",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def encryption_client_id(self) -> uuid.UUID:
        """Whose data key seals target and secret."""
        return self.client_id or HOUSE

    @property
    def is_working(self) -> bool:
        """Whether anything is sent there."""
        return self.stopped_at is None and self.removed_at is None


class Notification(models.Model):
    """Something to say to a client or to a group of staff. One and the same is said once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(
        Client, on_delete=models.CASCADE, null=True, blank=True, related_name="notifications"
    )
    group = models.CharField(max_length=20, blank=True, default="")
    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, null=True, blank=True, related_name="notifications"
    )
    topic = models.CharField(max_length=12, choices=Topic)
    severity = models.CharField(max_length=8, choices=Severity)
    title = models.CharField(max_length=200)
    text = models.TextField()
    path = models.CharField(max_length=200, blank=True, default="")
    data = models.JSONField(default=dict)
    key = models.CharField(max_length=200)
    is_over = models.BooleanField(default=False, help_text="Says that something has passed.")
    created_at = models.DateTimeField()

    objects: ClassVar[models.Manager[Notification]] = models.Manager()

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("client", "group", "key", "is_over"),
                nulls_distinct=False,
                name="one_notification_a_key",
            ),
        )

    def __str__(self) -> str:
        return self.title


class Delivery(models.Model):
    """One message to one channel: whatever there was to say since the last one, together.

    While it is ``open`` more may be added. Its id is what a receiver knows it by again.
    """

    class State(models.TextChoices):
        OPEN = "open", "Being collected"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        DROPPED = "dropped", "Not sent"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="deliveries")
    notifications = models.ManyToManyField(Notification, related_name="deliveries")
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    due_at = models.DateTimeField()
    attempt = models.PositiveSmallIntegerField(default=0)
    reason = models.TextField(blank=True, default="", help_text="Of what did not work.")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Delivery]] = models.Manager()

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = "deliveries"
        constraints = (
            models.UniqueConstraint(
                fields=("channel",),
                condition=models.Q(state="open"),
                name="one_open_delivery_a_channel",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=("open", "sending"), ended_at=None)
                | (~models.Q(state__in=("open", "sending")) & models.Q(ended_at__isnull=False)),
                name="ended_deliveries_have_an_end",
            ),
        )
        indexes = (
            models.Index(
                fields=("due_at",),
                condition=models.Q(state__in=("open", "sending")),
                name="delivery_due",
            ),
            models.Index(fields=("channel", "-created_at"), name="delivery_by_channel"),
            models.Index(fields=("-created_at",), name="delivery_by_time"),
        )

    def __str__(self) -> str:
        return f"to {self.channel}, {self.created_at:%Y-%m-%d %H:%M}"
