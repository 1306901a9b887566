"""A broker that is away costs a warning, never the change itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest
from celery import Celery

from hosting.models import Instance, Operation, Server
from hosting.services.working import doorbell

pytestmark = pytest.mark.django_db(transaction=True)


def test_orders_are_accepted_while_the_broker_is_away(
    order: Callable[..., Instance],
    memory_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = Celery("away", broker="redis://127.0.0.1:1/0", set_as_current=False)
    monkeypatch.setattr(doorbell, "current_app", away)
    monkeypatch.setattr(doorbell, "_quiet_until", 0.0)
    with caplog.at_level(logging.WARNING):
        instances = [order(name) for name in ("one", "two", "three")]
    assert {each.operations.get().state for each in instances} == {Operation.State.QUEUED}
    # Only the first asked the broker: the others did not wait for it to be away again.
    assert caplog.text.count("the sweeper will ring again") == 1
    assert doorbell._quiet_until > time.monotonic()
