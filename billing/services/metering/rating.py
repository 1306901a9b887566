"""What a use of a model costs: rules without a database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from billing.models import Rate

MILLION = 1_000_000


def rate_on(rates: Sequence[Rate], on: date) -> Rate | None:
    """Of a model's rates the one of that day: the newest that had begun."""
    begun = [rate for rate in rates if rate.starts_on <= on]
    return max(begun, key=lambda rate: rate.starts_on, default=None)


def price(rate: Rate, *, given: int, answered: int, cached: int) -> Decimal:
    """What those tokens cost, exactly. ``cached`` is a part of ``given``, and has its own price."""
    own: Decimal | None = rate.cached
    of_cache = rate.input if own is None else own
    total = (given - cached) * rate.input + cached * of_cache + answered * rate.output
    return total / MILLION
