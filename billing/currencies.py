"""Currencies: how many decimals each has, and the one way in which amounts are rounded to them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

# ISO 4217; all others have two. None with four is in use for paying.
_NONE = {
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"),
    *("PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"),
}
_THREE = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}
# Wide enough for every product of a quantity and a price: what is cut off would be rounded twice.
_EXACT = Context(prec=100, rounding=ROUND_HALF_UP)


def exponent(currency: str) -> int:
    """How many decimals its amounts have: 0, 2 or 3."""
    if currency in _NONE:
        return 0
    return 3 if currency in _THREE else 2


def having(exponent: int) -> list[str]:
    """The currencies of that many decimals, where that is not two."""
    return sorted({0: _NONE, 3: _THREE}[exponent])


def rounded(amount: Decimal, exponent: int) -> Decimal:
    """The amount with that many decimals; a half goes away from zero, so that a credit mirrors."""
    return amount.quantize(Decimal(1).scaleb(-exponent), context=_EXACT)


def divided(amount: Decimal, quantity: Decimal, base: Decimal, exponent: int) -> Decimal:
    """``amount x quantity / base``, rounded once."""
    product = _EXACT.multiply(amount, quantity)
    return rounded(_EXACT.divide(product, base), exponent)


def said(amount: Decimal, currency: str) -> str:
    """As people read it, with the currency's decimals: EUR 1,234.50, JPY 1,235."""
    return f"{currency} {rounded(amount, exponent(currency)):,}"
