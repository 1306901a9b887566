"""How the costs of models are written."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing.views.money import say


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        ("1234.495", "EUR", "EUR 1,234.50"),
        ("0.004", "EUR", "< EUR 0.01"),
        ("0", "EUR", "EUR 0.00"),
        ("1234.5", "JPY", "JPY 1,235"),
        ("0.4", "JPY", "< JPY 1"),
        ("1.2345", "KWD", "KWD 1.235"),
        ("0.0004", "KWD", "< KWD 0.001"),
        ("1" * 29, "EUR", f"EUR {int('1' * 29):,}.00"),
    ],
)
def test_amounts_have_the_currencys_decimals(amount: str, currency: str, words: str) -> None:
    assert say(Decimal(amount), currency) == words
