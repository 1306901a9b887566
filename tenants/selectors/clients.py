"""Read clients, as far as they are the reader's."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from tenants.models import Client, User


def for_user(user: User | AnonymousUser) -> QuerySet[Client]:
    """The clients that the user is a member of; being staff adds none."""
    if not isinstance(user, User) or not user.is_active:
        return Client.objects.none()
    return Client.objects.filter(members__user=user)


def get_for_user(user: User | AnonymousUser, slug: str) -> Client:
    """One of the user's clients; Client.DoesNotExist for someone else's as for none."""
    return for_user(user).get(slug=slug)
