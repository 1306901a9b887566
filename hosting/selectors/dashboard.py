"""What the dashboard's pages read besides lists: one instance, and the past."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.db.models import Q, QuerySet

from hosting.models import Instance, Operation
from hosting.selectors import instances
from tenants.models import Client

HISTORY = 10  # operations on an instance's page


def get_instance(client: Client, name: str) -> Instance:
    """The client's instance of that name; ``Instance.DoesNotExist`` where none exists any more."""
    return instances.of_client(client).get(name=name)


def last_deleted(client: Client, name: str) -> Instance | None:
    """The newest of the client's deleted instances of that name."""
    theirs = Instance.objects.filter(client=client, purpose=Instance.Purpose.CLIENT)
    gone = theirs.filter(name=name, state=Instance.State.DELETED)
    return gone.select_related("client", "plan").order_by("-deleted_at").first()


def history(instance: Instance) -> QuerySet[Operation]:
    """The instance's newest operations, without backups that went well: those are listed apart."""
    saved = Q(kind=Operation.Kind.BACKUP, state=Operation.State.SUCCEEDED)
    return instance.operations.exclude(saved).order_by("-requested_at")[:HISTORY]


def past_and_present(client: Client) -> Iterable[tuple[uuid.UUID, str]]:
    """Id and name of every instance the client has or had, newest first."""
    theirs = Instance.objects.filter(client=client, purpose=Instance.Purpose.CLIENT)
    every = theirs.order_by("-created_at")
    return every.values_list("pk", "name")[:200]
