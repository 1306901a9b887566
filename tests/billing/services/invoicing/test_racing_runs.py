"""Runs that race each other and are killed in the middle, each a process of its own."""

from __future__ import annotations

import multiprocessing
import signal
import time
import uuid
from collections.abc import Callable, Sequence

import pytest
from django.db import connection
from django.db.models import Count, QuerySet

from billing.models import (
    BillingPeriod,
    DowntimeCredit,
    Invoice,
    NumberSeries,
    Price,
    Settlement,
    Subscription,
)
from billing.services import subscriptions
from billing.services.invoicing import runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client
from tests.billing import money
from tests.billing.money import at

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS, MONTHS, RUNS, KILLED = 40, 3, 6, 4
FORK = multiprocessing.get_context("fork")


def test_racing_runs_that_are_killed_leave_no_gap_and_bill_no_period_twice(
    order: Callable[..., Instance], memory_server: Server, small: Plan
) -> None:
    money.set_seller()
    money.set_price(small)
    first = order()
    money.set_details(first.client)
    money.run_since(first, "2026-01-01")
    for number in range(CLIENTS - 1):
        _another(first, number)
    Plan.objects.update(sla_tiers=[[99.0, 25]])
    _be_down()
    subscriptions.follow(now=at("2026-04-01"))
    connection.close()  # the processes open their own
    processes = [FORK.Process(target=_bill) for _ in range(RUNS)]
    try:
        for each in processes:
            each.start()
        _kill(processes[:2], once=Invoice.objects.all())  # in the middle of drafting
        _kill(processes[2:KILLED], once=Invoice.objects.filter(state="issued"))
        for each in processes:
            each.join(timeout=120)
    finally:
        for each in processes:
            each.kill()
    ends = [each.exitcode for each in processes]
    assert ends == [-signal.SIGKILL] * KILLED + [0] * (RUNS - KILLED)
    runs.bill_due(now=at("2026-04-01"))
    _is_whole()


def _another(instance: Instance, number: int) -> None:
    """A client as Acme, with an instance as its."""
    client = Client.objects.create(name=f"Client {number}", slug=f"client-{number}")
    money.set_details(client)
    copy = Instance.objects.get(pk=instance.pk)
    copy.pk, copy.client = uuid.uuid4(), client
    copy.save(force_insert=True)


def _be_down() -> None:
    """Each instance for half a day of January, of which a quarter of the price is given back."""
    for instance in Instance.objects.all():
        money.be_down(instance, "2026-01-10")


def _bill() -> None:
    """In a process of its own, in transactions of two clients each."""
    runs.bill_due(now=at("2026-04-01"), at_once=2)


def _kill(
    processes: Sequence[multiprocessing.process.BaseProcess], *, once: QuerySet[Invoice]
) -> None:
    """As soon as there is one of these invoices, one process after the other."""
    deadline = time.monotonic() + 120
    while not once.exists():
        assert time.monotonic() < deadline, "No run came so far."
        time.sleep(0.01)
    for each in processes:
        time.sleep(0.02)
        assert each.is_alive(), "It had ended already: it takes more to do."
        each.kill()
        each.join()


def _is_whole() -> None:
    """Each period of each subscription once, each invoice whole, and numbers from 1 on."""
    invoices = Invoice.objects.filter(state="issued").order_by("sequence")
    many = CLIENTS * MONTHS
    assert list(invoices.values_list("sequence", flat=True)) == list(range(1, many + 1))
    assert NumberSeries.objects.get().last == many
    assert not Invoice.objects.filter(state="draft").exists()
    periods = BillingPeriod.objects.values("subscription").annotate(many=Count("pk"))
    assert {each["many"] for each in periods.order_by()} == {MONTHS}
    assert periods.order_by().count() == Subscription.objects.count() == CLIENTS
    assert BillingPeriod.objects.values("invoice").distinct().count() == many
    price = Price.objects.get().amount
    assert set(
        invoices.annotate(many=Count("lines", distinct=True)).values_list("many", "net")
    ) == {(1, price), (2, price * 3 / 4)}
    assert DowntimeCredit.objects.count() == CLIENTS
    assert Settlement.objects.count() == many
