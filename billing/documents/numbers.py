"""Exact rounding, and numbers as documents write them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction


def rounded(value: Fraction | Decimal, exponent: int) -> Decimal:
    """Half up at that many decimals, away from zero; exactly, however many digits there are."""
    exact = Fraction(value) * 10**exponent
    whole = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    digits = tuple(int(digit) for digit in str(whole))
    return Decimal((int(exact < 0), digits, -exponent))  # no context cuts this one


def tidy(value: Decimal, least: int = 0) -> Decimal:
    """The same number with no more decimals than it needs: 17 for 17.000000."""
    return Decimal(plain(value, least))


def in_four_decimals(price: Decimal, base: Decimal = Decimal(1)) -> tuple[Decimal, Decimal]:
    """The same price for a larger base quantity, until four decimals hold it: 0.00125 for 1 is
    0.0125 for 10.
    """
    by = Decimal(10) ** max(0, decimals(price) - 4)
    return price * by, base * by


def decimals(value: Decimal) -> int:
    """How many decimals it needs: 2 for 1.250."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def money(value: Decimal, exponent: int) -> str:
    """With the currency's decimals, a point and no sign of thousands: 1200.50."""
    return f"{value:.{exponent}f}"


def plain(value: Decimal, least: int = 0) -> str:
    """As short as it can be, with at least that many decimals: 0.25, 1200, 1.50."""
    return f"{value:.{max(least, decimals(value))}f}"
