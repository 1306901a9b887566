"""Amounts as Stripe writes them: whole numbers of the smallest unit that it knows.

https://docs.stripe.com/currencies: some currencies have no smaller unit, and ISK and UGX have none
but are written with two zeros. Those with three decimals end with a zero.
"""

from __future__ import annotations

from decimal import Decimal

_NONE = {
    *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"),
    *("PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"),
}
_WHOLE = {"ISK", "UGX"}  # written with two decimals that have to be zero
_THREE = {"BHD", "JOD", "KWD", "OMR", "TND"}


def written(amount: Decimal, currency: str) -> int:
    """12.34 EUR is 1234, 500 JPY is 500. ``ValueError`` for what can't be charged exactly."""
    minor = amount.scaleb(_decimals(currency))
    step = 100 if currency in _WHOLE else 10 if currency in _THREE else 1
    if minor != minor.to_integral() or minor <= 0 or int(minor) % step:
        raise ValueError(f"{amount} {currency} can't be charged exactly.")
    return int(minor)


def read(minor: int, currency: str) -> Decimal:
    """The amount that Stripe speaks of."""
    return Decimal(minor).scaleb(-_decimals(currency))


def _decimals(currency: str) -> int:
    if currency in _NONE:
        return 0
    return 3 if currency in _THREE else 2
