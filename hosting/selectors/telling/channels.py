"""Reading channels and the log of what was sent."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from hosting.models import Channel, Delivery
from tenants.models import Client


def of_client(client: Client) -> QuerySet[Channel]:
    """The client's, without those that were removed."""
    return Channel.objects.filter(client=client, removed_at=None).order_by("created_at")


def get(client: Client, channel_id: uuid.UUID) -> Channel:
    """One of the client's; ``Channel.DoesNotExist`` where it has none of that id."""
    return of_client(client).get(pk=channel_id)


def of_staff() -> QuerySet[Channel]:
    """Those of the groups of staff, without those that were removed."""
    return Channel.objects.filter(client=None, removed_at=None)


def log_of(client: Client) -> QuerySet[Delivery]:
    """What was sent to the client, newest first, with what was in it."""
    return log().filter(channel__client=client)


def log() -> QuerySet[Delivery]:
    """What was sent to anybody, newest first."""
    found = Delivery.objects.select_related("channel__client").prefetch_related("notifications")
    return found.order_by("-created_at")
