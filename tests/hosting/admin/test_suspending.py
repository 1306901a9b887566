"""Suspending an instance in the admin: who may, and what is asked."""

from __future__ import annotations

from collections.abc import Callable

from django.urls import reverse

from hosting.models import Instance, Operation, Server
from tests.hosting.admin.conftest import Staff

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
WHY = "Invoice 2026-0042 is overdue."


def _url(name: str, instance: Instance) -> str:
    return reverse(f"admin:hosting_instance_{name}", args=[instance.pk])


def test_finance_suspends_it_and_gives_it_back(
    staff: Staff, order: Order, work_off: WorkOff, memory_server: Server
) -> None:
    instance = order()
    work_off(instance)
    finance = staff("finance")
    page = finance.get(_url("suspend", instance)).content.decode()
    assert f"Suspend {instance.name}" in page
    assert finance.post(_url("suspend", instance), {"reason": " "}).status_code == 422
    finance.post(_url("suspend", instance), {"reason": WHY})
    work_off(instance)
    shown = finance.get(_url("change", instance)).content.decode()
    assert WHY in shown
    assert "Give back" in shown
    finance.post(_url("resume", instance))
    assert work_off(instance).kind == Operation.Kind.START


def test_support_may_not(
    staff: Staff, order: Order, work_off: WorkOff, memory_server: Server
) -> None:
    instance = order()
    work_off(instance)
    support = staff("support")
    for name in ("suspend", "resume"):
        assert support.post(_url(name, instance), {"reason": WHY}).status_code == 403
    assert Instance.objects.get().suspended_at is None
    assert "Suspend" not in support.get(_url("change", instance)).content.decode()
