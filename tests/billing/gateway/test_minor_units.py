"""Amounts as Stripe writes them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing.gateway import minor_units


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("35.700", "EUR", 3570),
        ("0.01", "USD", 1),
        ("500", "JPY", 500),
        ("500", "ISK", 50000),
        ("3", "UGX", 300),
        ("5.12", "KWD", 5120),
        ("20", "MGA", 20),
    ],
)
def test_amounts_are_whole_numbers(amount: str, currency: str, minor: int) -> None:
    assert minor_units.written(Decimal(amount), currency) == minor
    assert minor_units.read(minor, currency) == Decimal(amount)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("0.001", "EUR"),
        ("0.5", "JPY"),
        ("5.125", "KWD"),
        ("0.5", "ISK"),
        ("0", "EUR"),
        ("-1", "EUR"),
    ],
)
def test_what_can_not_be_charged_exactly_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match="can't be charged exactly"):
        minor_units.written(Decimal(amount), currency)
