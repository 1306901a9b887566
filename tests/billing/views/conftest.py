"""Browsers of Acme's people, and an instance whose app reports tokens now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

import pytest
from django.utils import timezone

from billing.services.metering import costs
from hosting.models import Instance
from hosting.services.measuring import usage_events, usage_sums
from hosting.services.measuring.usage_checks import Usage
from tests.hosting.views.conftest import (  # noqa: F401  (fixtures)
    _alone,
    browser,
    globex,
    login,
    mallory,
    member,
)

Spend = Callable[..., None]


@pytest.fixture
def spend(book: Instance) -> Spend:
    """Report, sum up and price a million input tokens of a model, some days ago."""
    numbers = count(1)

    def report(model: str = "gpt-4o", *, ago: int = 0, at: datetime | None = None) -> None:
        now = timezone.now()
        number = next(numbers)
        told = Usage(
            at=at or now - timedelta(days=ago),
            meter="llm",
            label=model,
            amount=1,
            key="",
            is_level=False,
            input=1_000_000,
            output=100_000,
            cached=500_000,
            source="test",
            event_id=str(number),
        )
        usage_events.write(instance_id=book.pk, usages=[told], now=now)
        usage_sums.sum_up(now=now + timedelta(seconds=number))
        costs.price_new()

    return report
