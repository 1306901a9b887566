"""How the costs of models are written: in the currency's smallest unit, and never as nothing."""

from __future__ import annotations

from decimal import Decimal

from billing import currencies


def say(amount: Decimal, currency: str) -> str:
    """EUR 1,234.50, JPY 1,235; what is less than half the smallest unit is less than one of it."""
    exponent = currencies.exponent(currency)
    if amount and not currencies.rounded(amount, exponent):
        return f"< {currency} {Decimal(1).scaleb(-exponent)}"
    return currencies.said(amount, currency)
