"""The sums of an invoice: pure rules.

VAT is of each category and rate on the sum of its rounded nets, rounded once; the total is the sum
of what was rounded, and never rounded itself (EN 16931, BR-CO-14 and BR-CO-17).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from billing.currencies import divided

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Taxed:
    """A line's net, and how it is taxed; ``rate`` in per cent."""

    net: Decimal
    category: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """The VAT of one category and rate."""

    category: str
    rate: Decimal
    basis: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """All of an invoice, by category and together."""

    taxes: tuple[TaxTotal, ...]
    net: Decimal
    vat: Decimal
    gross: Decimal


def of_lines(lines: Iterable[Taxed], *, exponent: int) -> Totals:
    """The sums of those lines, whose nets are rounded already."""
    bases: dict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for line in lines:
        bases[line.category, line.rate] += line.net
    taxes = tuple(
        TaxTotal(category, rate, basis, divided(basis, rate, _HUNDRED, exponent))
        for (category, rate), basis in sorted(bases.items())
    )
    net = sum((tax.basis for tax in taxes), Decimal(0))
    vat = sum((tax.amount for tax in taxes), Decimal(0))
    return Totals(taxes, net, vat, net + vat)
