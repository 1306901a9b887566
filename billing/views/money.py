"""How the costs of models are written: to the cent, and never to nothing."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def say(amount: Decimal, currency: str) -> str:
    """EUR 1,234.50; what is less than half a cent is less than a cent, and not nothing."""
    rounded = amount.quantize(CENT, rounding=ROUND_HALF_UP)
    if amount and not rounded:
        return f"< {currency} {CENT}"
    return f"{currency} {rounded:,}"
