"""What a fleet that never ran would have told its clients: a channel each, and what went there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import connection, transaction

from hosting.models import CHOSEN_TOPICS, Channel, Severity
from hosting.services.generating.generated_moves_sql import MESSAGES
from tenants.models import Client
from tenants.services.groups import OPERATIONS


@transaction.atomic
def write(*, since: datetime, say: Callable[[str], None]) -> None:
    """Of all incidents that are over."""
    clients = Client.objects.filter(instances__server__name__startswith="generated-").distinct()
    channels = [_channel(each, since) for each in (None, *clients)]
    Channel.objects.bulk_create(channels, batch_size=500)
    say(f"{len(channels)} channels")
    with connection.cursor() as cursor:
        for what, statement in MESSAGES.items():
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
