"""A part of a period's price or included usage, by days: pure rules.

Days are the client's, and a day that was used at all is a day. Days at one price are counted
together in a period, however often they were interrupted, and rounded once: so halves of a period
cost what it costs as a whole.
"""

from __future__ import annotations

from decimal import Decimal

from billing.currencies import divided


def portion(amount: Decimal, *, days: int, of: int, exponent: int) -> Decimal:
    """What so many days cost of a period of ``of`` days, rounded half-up to that many decimals.

    ``ValueError`` where there are more days than the period has, or the amount is negative.
    """
    if amount < 0:
        raise ValueError("A price is not negative.")
    if not 0 <= days <= of or not of:
        raise ValueError(f"{days} days are not a part of {of}.")
    return divided(amount, Decimal(days), Decimal(of), exponent)


def included(quantity: Decimal, *, days: int, of: int, is_level: bool = False) -> Decimal:
    """How much usage so many days include: whole units where the period includes whole units.

    Of a level it is to six decimals always, as the level itself counts by its share of the days.
    """
    whole = quantity == quantity.to_integral_value() and not is_level
    return portion(quantity, days=days, of=of, exponent=0 if whole else 6)
