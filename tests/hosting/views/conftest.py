"""Browsers without a browser: Django's client, logged in as one of Acme's people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client as Browser
from django.utils import timezone
from pytest_django import Settings

from hosting.models import Instance, Server
from tenants.models import Client, Role, User
from tenants.services import clients, members
from tenants.services.actors import Actor

Login = Callable[[User | None], Browser]


@pytest.fixture(autouse=True)
def _alone(settings: Settings, memory_server: Server, tmp_path: Path) -> None:
    """Room for orders on a server that runs nothing, and static files that nobody collected."""
    settings.STATIC_ROOT = tmp_path


@pytest.fixture
def member(acme: Client, actor: Actor) -> Callable[[Role], User]:
    """Someone with that role at Acme."""

    def join(role: Role) -> User:
        user = User.objects.create_user(f"{role}@acme.example", name=role.label)
        members.add(client=acme, user=user, role=role, actor=actor)
        return user

    return join


@pytest.fixture
def globex(db: None, actor: Actor) -> Client:
    """Another client, with Mallory as its owner."""
    globex = clients.create(name="Globex", slug="globex", timezone="UTC", actor=actor)
    mallory = User.objects.create_user("mallory@globex.example", name="Mallory")
    members.add(client=globex, user=mallory, role=Role.OWNER, actor=actor)
    return globex


@pytest.fixture
def mallory(globex: Client) -> User:
    return User.objects.get(email="mallory@globex.example")


@pytest.fixture
def login() -> Login:
    """A browser in which that user is logged in, or nobody."""

    def open_as(user: User | None) -> Browser:
        browser = Browser()
        if user is not None:
            browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return browser

    return open_as


@pytest.fixture
def browser(alice: User, login: Login) -> Browser:
    """Alice's browser."""
    return login(alice)


@pytest.fixture
def book(order: Callable[..., Instance], work_off: Callable[[Instance], object]) -> Instance:
    """An instance of Acme's that has been running for ten days."""
    instance = order()
    work_off(instance)
    Instance.objects.update(first_running_at=timezone.now() - timedelta(days=10))
    instance.refresh_from_db()
    return instance
