"""Read the audit log."""

from __future__ import annotations

from django.db.models import QuerySet

from tenants.models import AuditEvent, Client


def of_client(client: Client) -> QuerySet[AuditEvent]:
    """The client's events, newest first."""
    return AuditEvent.objects.filter(client_id=client.pk).order_by("-sequence")


def of_object(client: Client, object_type: str, object_id: object) -> QuerySet[AuditEvent]:
    """What happened to one object of the client, newest first."""
    return of_client(client).filter(object_type=object_type, object_id=str(object_id))
