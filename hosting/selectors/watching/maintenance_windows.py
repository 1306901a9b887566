"""Planned maintenance as clients see it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from hosting.models import Instance, MaintenanceWindow
from tenants.models import Client

SHOWN_AHEAD = timedelta(days=14)


def of_client(client: Client, *, now: datetime) -> QuerySet[MaintenanceWindow]:
    """Windows that go on or come within two weeks, and concern an instance of the client's."""
    theirs = Instance.objects.filter(client=client, purpose=Instance.Purpose.CLIENT).exclude(
        state=Instance.State.DELETED
    )
    on_server = Exists(theirs.filter(server=OuterRef("server")))
    concerned = (
        Q(instance__in=theirs)
        | Q(Q(server__isnull=False), on_server)
        | (Q(server=None, instance=None) & Q(Exists(theirs)))
    )
    coming = MaintenanceWindow.objects.filter(
        cancelled_at=None, ends_at__gt=now, starts_at__lt=now + SHOWN_AHEAD
    )
    return coming.filter(concerned).select_related("instance").order_by("starts_at")
