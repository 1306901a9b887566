"""What the tests of this room share."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from hosting.models import Instance, InstanceSecret, Plan, Server
from tenants.crypto import forget_cached_keys
from tenants.models import Client
from tenants.services import clients
from tenants.services.actors import Actor
from tests.tenants.master_keys import Keys


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture(autouse=True)
def _one_master_key(settings: Settings, keys: Keys) -> Iterator[None]:
    settings.BERTH_MASTER_KEY = keys.k1
    forget_cached_keys()
    yield
    forget_cached_keys()


@pytest.fixture
def make_client(db: None, actor: Actor) -> Callable[[str], Client]:
    def make(slug: str) -> Client:
        return clients.create(name=slug.title(), slug=slug, actor=actor)

    return make


@pytest.fixture
def make_secret(small: Plan, memory_server: Server) -> Callable[..., InstanceSecret]:
    """A secret of an instance of its own, in the one model that has an encrypted field."""

    def make(client: Client, value: str, **columns: Any) -> InstanceSecret:
        with transaction.atomic():
            instance = Instance.objects.create(
                client=client,
                name=f"i{uuid.uuid4().hex[:8]}",
                app="guestbook",
                version="1",
                definition={},
                plan=small,
                server=memory_server,
            )
            return InstanceSecret.objects.create(
                instance=instance, name="database", value=value, **columns
            )

    return make


@contextmanager
def _tampering() -> Iterator[None]:
    """What the owner of the table can do, and a hash chain is for."""
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE tenants_auditevent DISABLE TRIGGER tenants_auditevent_append_only"
        )
        yield
        cursor.execute(
            "ALTER TABLE tenants_auditevent ENABLE ALWAYS TRIGGER tenants_auditevent_append_only"
        )


@pytest.fixture
def tampering(db: None) -> Callable[[], AbstractContextManager[None]]:
    return _tampering
