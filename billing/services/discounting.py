"""What is taken off: pure rules. Percentages first, then amounts, and never more than there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from billing.currencies import divided, rounded

_HUNDRED = Decimal(100)


class Kind(StrEnum):
    """What a discount's value is."""

    PERCENT = "percent"
    AMOUNT = "amount"


@dataclass(frozen=True, slots=True)
class Discount:
    """Per cent of what is charged, or an amount of the currency a period."""

    kind: Kind
    value: Decimal

    def __post_init__(self) -> None:
        """Above 0, and no more than all of it."""
        if not self.value.is_finite() or self.value <= 0:
            raise ValueError("A discount is a number above 0.")
        if self.kind == Kind.PERCENT and self.value > _HUNDRED:
            raise ValueError("A discount is at most 100 per cent.")


def taken_off(discounts: Sequence[Discount], *, net: Decimal, exponent: int) -> tuple[Decimal, ...]:
    """What each takes off that net, rounded, in the order in which they are given.

    Each percentage is of the whole net. All together they take off no more than it.
    """
    rest = max(net, Decimal(0))
    found: dict[int, Decimal] = {}
    order = sorted(range(len(discounts)), key=lambda place: discounts[place].kind == Kind.AMOUNT)
    for place in order:
        found[place] = min(rest, _wanted(discounts[place], max(net, Decimal(0)), exponent))
        rest -= found[place]
    return tuple(found[place] for place in range(len(discounts)))


def _wanted(discount: Discount, net: Decimal, exponent: int) -> Decimal:
    if discount.kind == Kind.PERCENT:
        return divided(net, discount.value, _HUNDRED, exponent)
    return rounded(discount.value, exponent)
