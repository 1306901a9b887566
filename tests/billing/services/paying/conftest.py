"""An invoice that nobody pays, its client's instance, and finance's rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from billing.models import DunningPolicy, Invoice
from billing.services.invoicing import runs
from billing.services.paying import dunning
from hosting.models import Instance, Operation, Plan, Server
from tenants.models import Client
from tests.billing import money
from tests.billing.money import ACTOR, at

WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def policy(db: None) -> DunningPolicy:
    return dunning.set_policy(reminders=(3, 10), suspend_after=20, notice_after=40, actor=ACTOR)


@pytest.fixture
def book(order: Callable[..., Instance], work_off: WorkOff, memory_server: Server) -> Instance:
    instance = order()
    work_off(instance)
    return money.run_since(instance, "2026-01-01")


@pytest.fixture
def invoice(book: Instance, acme: Client, small: Plan, policy: DunningPolicy) -> Invoice:
    """35.70 euros, issued on 1 February and due on the 15th."""
    money.set_seller()
    money.set_details(acme, email="books@acme.example")
    money.set_price(small)
    runs.bill_due(now=at("2026-02-01"))
    issued = Invoice.objects.get()
    assert issued.due_on == date(2026, 2, 15)
    return issued
