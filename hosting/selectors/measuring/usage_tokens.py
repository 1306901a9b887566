"""Whose a usage token is, and which there are."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from hosting.models import Instance, UsageToken
from tenants.models import Client

_OF_CLIENT = ("instance__client__timezone", "instance__client__zones")
_NEEDED = ("id", "last_used_at", "instance__created_at", *_OF_CLIENT)


def find(token: str) -> UsageToken | None:
    """The token that is in use, of an instance that exists; with what has to be known of that."""
    in_use = UsageToken.objects.filter(digest=UsageToken.digest_of(token), revoked_at=None)
    existing = in_use.exclude(instance__state=Instance.State.DELETED)
    return existing.select_related("instance__client").only(*_NEEDED).first()


def of_instance(instance: Instance) -> QuerySet[UsageToken]:
    """The instance's tokens, those in use first."""
    return instance.usage_tokens.order_by("revoked_at", "-created_at")


def get(client: Client, instance: Instance, token_id: uuid.UUID) -> UsageToken:
    """That token of the client's instance; ``UsageToken.DoesNotExist`` for anybody else's."""
    return UsageToken.objects.get(pk=token_id, instance=instance, instance__client=client)
