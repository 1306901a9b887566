"""What a fleet that never ran would have told its clients: a channel each, and what went there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import connection, transaction

from hosting.models import CHOSEN_TOPICS, Channel, Severity
from hosting.services.generating.generated_fleet_sql import THEIRS
from tenants.models import Client
from tenants.services.groups import OPERATIONS

_NOTIFICATIONS = f"""
INSERT INTO hosting_notification (id, client_id, "group", instance_id, topic, severity, title, text,
    path, data, key, is_over, created_at)
SELECT gen_random_uuid(), instance.client_id, '', instance.id, 'health', 'critical',
    instance.name || CASE WHEN is_over THEN ' answers again' ELSE ' does not answer' END,
    incident.cause, '', '{{}}', 'incident:' || incident.id, is_over,
    CASE WHEN is_over THEN incident.closed_at ELSE incident.opened_at END
FROM {THEIRS} JOIN hosting_incident AS incident ON incident.instance_id = instance.id
    AND incident.closed_at IS NOT NULL
CROSS JOIN (VALUES (false), (true)) AS told (is_over)
ORDER BY 13
"""
# One each: what is said of several instances at once would be one message in a real fleet.
_DELIVERIES = """
WITH chosen AS (
    SELECT gen_random_uuid() AS id, channel.id AS channel_id, notification.id AS notification_id,
        notification.created_at
    FROM hosting_notification AS notification
    JOIN hosting_channel AS channel ON channel.client_id = notification.client_id
    WHERE notification.key LIKE 'incident:%%'
    ORDER BY notification.created_at
), made AS (
    INSERT INTO hosting_delivery (id, channel_id, state, due_at, attempt, reason, created_at, ended_at)
    SELECT id, channel_id, 'sent', created_at, 1, '', created_at, created_at + interval '20 s'
    FROM chosen
)
INSERT INTO hosting_delivery_notifications (delivery_id, notification_id)
SELECT id, notification_id FROM chosen
"""


@transaction.atomic
def write(*, since: datetime, say: Callable[[str], None]) -> None:
    """Of all incidents that are over."""
    clients = Client.objects.filter(instances__server__name__startswith="generated-").distinct()
    channels = [_channel(each, since) for each in (None, *clients)]
    Channel.objects.bulk_create(channels, batch_size=500)
    say(f"{len(channels)} channels")
    with connection.cursor() as cursor:
        for what, statement in {"notifications": _NOTIFICATIONS, "messages": _DELIVERIES}.items():
            cursor.execute(statement, {})
            say(f"{cursor.rowcount} {what}")


def _channel(client: Client | None, since: datetime) -> Channel:
    """A client's, or the one of the staff, who are sent nothing."""
    address = f"{client.slug if client else OPERATIONS}@generated.example"
    return Channel(
        client=client,
        group="" if client else OPERATIONS,
        kind=Channel.Kind.MAIL,
        name="Mail",
        target=address,
        shown=address,
        secret="",
        topics=list(CHOSEN_TOPICS),
        least=Severity.WARNING,
        created_at=since,
    )
