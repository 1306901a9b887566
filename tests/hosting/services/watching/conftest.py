"""Instances that run, for whoever looks at them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from hosting.models import Instance, Server

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def up(order: Callable[..., Instance], memory_server: Server) -> Callable[[str], Instance]:
    """Make one that has run for a day, is well and can be reached."""

    def make(name: str) -> Instance:
        instance = order(name)
        before = NOW - timedelta(days=1)
        instance.operations.update(state="succeeded", started_at=before, finished_at=before)
        Instance.objects.filter(pk=instance.pk).update(
            state="running",
            first_running_at=before,
            web_address="10.208.0.2",
            web_port=80,
            is_routed=True,
        )
        instance.refresh_from_db()
        return instance

    return make
