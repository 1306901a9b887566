"""A worker, a process of its own, that is killed in the middle of making a file."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from billing.models import Invoice, InvoiceExport
from billing.services.delivering import export_files, exports
from billing.services.invoicing import runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db(transaction=True)
FORK = multiprocessing.get_context("fork")
NOW = at("2026-02-02")


def test_another_worker_makes_it(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> None:
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    export = exports.request(kind="csv", invoices=Invoice.objects.all(), actor=ACTOR, now=NOW)
    connection.close()  # the process opens its own
    worker = FORK.Process(target=_stuck)
    worker.start()
    try:
        deadline = time.monotonic() + 60
        while not InvoiceExport.objects.filter(state="running").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        worker.kill()
        worker.join(timeout=60)
    assert worker.exitcode == -signal.SIGKILL
    assert exports.work(now=NOW) is None  # its lease goes on
    InvoiceExport.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
    assert exports.work(now=NOW) == export
    export.refresh_from_db()
    assert (export.state, export.fence, export.done) == ("ready", 2, 1)


def _stuck() -> None:
    """Takes the export up, and comes no further."""
    export_files.write = lambda *_: time.sleep(600)  # type: ignore[assignment]
    exports.work(now=NOW)
