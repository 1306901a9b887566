"""What usage costs, in words and as a table of tiers. Plain values in and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing import currencies
from billing.services.pricing import Charge, Model


@dataclass(frozen=True, slots=True)
class TierRow:
    """A tier as it is read: which units it is of, and what so many of them cost."""

    units: str
    price: str


def sentence(charge: Charge, *, unit: str, currency: str, interval: str) -> str:
    """What a meter's usage costs, in one or two sentences; ``unit`` is in the plural."""
    free = f"{plain(charge.included)} {unit} a {interval} are included. " if charge.included else ""
    above = " above that" if charge.included else ""
    price = money(charge.tiers[0].price, currency)
    many = f"{plain(charge.base)} {unit}" if charge.base != 1 else f"of the {unit}"
    match charge.model:
        case Model.STANDARD:
            return f"{free}{price} for each {many}{above}."
        case Model.PACKAGE:
            whole = f"{plain(charge.base)} {unit}"
            return f"{free}{price} for each package of {whole}{above}, for one begun too."
        case Model.GRADUATED:
            return f"{free}Each of the {unit}{above} costs what its own tier says."
        case Model.VOLUME:
            return f"{free}All {unit}{above} cost what the tier says that the last one lies in."


def tiers(charge: Charge, *, currency: str) -> Sequence[TierRow]:
    """The tiers where there are several; counted after what is included."""
    if charge.model not in (Model.GRADUATED, Model.VOLUME):
        return ()
    per = "each" if charge.base == 1 else f"per {plain(charge.base)}"
    found, above = [], Decimal(0)
    for tier in charge.tiers:
        first = plain(above + 1) if above == above.to_integral() else f"above {plain(above)}"
        units = f"{first} to {plain(tier.up_to)}" if tier.up_to is not None else f"from {first} on"
        found.append(TierRow(units, f"{money(tier.price, currency)} {per}"))
        above = above if tier.up_to is None else tier.up_to
    return found


def money(price: Decimal, currency: str) -> str:
    """A price: with the currency's decimals, and with its own where it has more."""
    rounded = currencies.rounded(price, currencies.exponent(currency))
    return f"{currency} {rounded:,}" if rounded == price else f"{currency} {plain(price)}"


def plain(value: Decimal) -> str:
    """A number without zeros that say nothing: 1,000 and 0.0125."""
    short = value.normalize()
    return f"{short.quantize(Decimal(1)) if short == short.to_integral() else short:,f}"
