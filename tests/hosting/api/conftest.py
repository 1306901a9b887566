"""An app that reports, as far as the API can tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hosting.models import Instance, Server
from hosting.services.measuring import usage_tokens
from tenants.services.actors import Actor

Report = Callable[..., Any]


@pytest.fixture
def book(order: Callable[..., Instance], memory_server: Server) -> Instance:
    """An instance that has existed for a hundred days."""
    instance = order()
    Instance.objects.update(created_at=timezone.now() - timedelta(days=100))
    instance.refresh_from_db()
    return instance


@pytest.fixture
def token(book: Instance, actor: Actor) -> str:
    return usage_tokens.make(instance=book, name="app", actor=actor, now=timezone.now())


@pytest.fixture
def post(token: str) -> Callable[..., Any]:
    """Send a body to the usage API as the instance's app."""

    def send(body: bytes | str | object, *, token: str = token, **headers: str) -> Any:
        content = body if isinstance(body, bytes | str) else json.dumps(body)
        return Browser().post(
            "/api/v1/usage/events",
            content,
            content_type=headers.pop("content_type", "application/json"),
            headers={"Authorization": f"Bearer {token}", **headers},
        )

    return send


@pytest.fixture
def report(post: Callable[..., Any]) -> Report:
    """Report events; what became of them."""

    def send(*events: object, **options: Any) -> Any:
        response = post(list(events), **options)
        assert response.status_code == 200, response.content
        return response.json()

    return send


@pytest.fixture
def event() -> Callable[..., dict[str, Any]]:
    """An event of three executions now, or as told."""

    def make(id: object = "1", at: datetime | None = None, **attributes: Any) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "source": "app",
            "id": str(id),
            "type": "executions",
            "time": (at or timezone.now()).isoformat(),
            "data": {"amount": 3},
            **attributes,
        }

    return make
