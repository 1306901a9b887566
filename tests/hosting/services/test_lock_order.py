"""An order and the end of an operation at the same moment: neither waits for the other for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from hosting.models import Instance, Server
from hosting.services import edge
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor
from tests.tenants.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_order_locks_the_edge_before_the_log(
    order: Callable[..., Instance], memory_server: Server, acme: Client, actor: Actor
) -> None:
    has_edge = threading.Event()

    def end_an_operation() -> None:
        """In the order of ``leases.finish``: the edge's revision, then the audit log."""
        with transaction.atomic():
            edge.want_publish()
            has_edge.set()
            _until_someone_waits()
            audit.record(action="operation.succeeded", actor=actor, client=acme, obj=acme)

    def order_meanwhile() -> Instance:
        assert has_edge.wait(10)
        return order("book")

    for future in at_once(end_an_operation, order_meanwhile):
        future.result()
    assert Instance.objects.count() == 1


def _until_someone_waits() -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    raise AssertionError("nobody waited: the test shows nothing")
