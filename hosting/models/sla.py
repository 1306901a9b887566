"""Credits for downtime as data: below which share of a month how much is given back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from django.core.exceptions import ValidationError

MOST_TIERS = 10
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Tier:
    """Below so many per cent of availability, so many per cent of the price are given back."""

    below: Decimal
    credit: Decimal


def tiers_of(value: object) -> tuple[Tier, ...]:
    """What such data says. ``ValidationError`` in one sentence where it says nothing sensible."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MOST_TIERS:
        raise ValidationError(f"Write a list of at most {MOST_TIERS} pairs, such as [[99.9, 10]].")
    tiers = tuple(_tier(each) for each in value)
    for higher, lower in pairwise(tiers):
        if lower.below >= higher.below or lower.credit <= higher.credit:
            raise ValidationError(
                "Begin with the highest share; the lower the share, the larger the credit."
            )
    return tiers


def validate_tiers(value: object) -> None:
    """Refuse what :func:`tiers_of` can't read."""
    tiers_of(value)


def _tier(value: object) -> Tier:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise ValidationError("Each entry is a pair: below how many per cent, how many per cent.")
    below, credit = (_percent(each) for each in value)
    if not 0 < below <= _HUNDRED or not 0 < credit <= _HUNDRED:
        raise ValidationError("Shares and credits lie above 0 and at most at 100 per cent.")
    return Tier(below=below, credit=credit)


def _percent(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValidationError("Shares and credits are numbers.")
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValidationError(f"“{value}” is not a number.") from error
    if not number.is_finite():
        raise ValidationError(f"“{value}” is not a number.")
    return number
