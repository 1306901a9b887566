"""Where rooms above have a say: they register when their app starts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from hosting.models import Plan
from tenants.models import Client


class OrderCheck(Protocol):
    """May the client order an instance on that plan? Raises ``tenants.errors.Refused`` if not."""

    def __call__(self, *, client: Client, plan: Plan) -> None: ...


_order_checks: list[OrderCheck] = []


def register_order_check(check: OrderCheck) -> OrderCheck:
    """Ask ``check`` before every order, inside its transaction; usable as a decorator."""
    if check not in _order_checks:
        _order_checks.append(check)
    return check


def check_order(*, client: Client, plan: Plan) -> None:
    """Ask everyone who registered."""
    for check in _order_checks:
        check(client=client, plan=plan)


class UsageListener(Protocol):
    """What is done each time that usage was summed up. May be called twice for the same sums."""

    def __call__(self, *, now: datetime) -> None: ...


_usage_listeners: list[UsageListener] = []


def register_usage_listener(listener: UsageListener) -> UsageListener:
    """Call ``listener`` after usage was summed up, in a worker; usable as a decorator."""
    if listener not in _usage_listeners:
        _usage_listeners.append(listener)
    return listener


def usage_listeners() -> Sequence[UsageListener]:
    """Everyone who registered."""
    return tuple(_usage_listeners)
