"""Instances for tests of upgrades and rollouts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from hosting.models import Instance, Operation, Server

Order = Callable[..., Instance]


@pytest.fixture
def fleet(order: Order, memory_server: Server) -> list[Instance]:
    """Three of the older version, the last of them a canary."""
    made = [order(name) for name in ("one", "two", "canary")]
    Operation.objects.all().delete()
    Instance.objects.update(version="1", state="running", first_running_at=timezone.now())
    Instance.objects.filter(name="canary").update(ring="canary")
    for each in made:
        each.refresh_from_db()
    return made
