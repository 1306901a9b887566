"""Where rooms above have a say: they register when their app starts."""

from __future__ import annotations

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
