"""What is to be done each time that usage was summed up: price it, and hold plans to budgets."""

from __future__ import annotations

from datetime import datetime

from billing.services.metering import budgets, costs


def after_usage(*, now: datetime) -> None:
    """Registered with hosting, which knows no money."""
    costs.price_new()
    budgets.hold_to(now=now)
