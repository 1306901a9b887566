"""What usage costs: pure rules, plain values in and out.

Each line is ``quantity x price / base``, rounded once, half-up, to the currency's decimals. There
is a line for each tier, so that this is true of what stands on an invoice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import pairwise

from billing.currencies import divided

PRICE_DECIMALS = 4  # what e-invoices allow; what is cheaper is priced by a larger base
MOST_TIERS = 20
NOTHING = Decimal(0)


class Model(StrEnum):
    """How the price of usage depends on how much of it there is."""

    STANDARD = "standard"  # each unit costs the same
    GRADUATED = "graduated"  # each unit costs what the tier says that it lies in
    VOLUME = "volume"  # all units cost what the tier says that the last one lies in
    PACKAGE = "package"  # whole packages, begun ones too


@dataclass(frozen=True, slots=True)
class Tier:
    """A price up to that many units, the last one included; ``None`` is without an end."""

    up_to: Decimal | None
    price: Decimal

    def __post_init__(self) -> None:
        """A price is not negative and has four decimals at most."""
        if not self.price.is_finite() or self.price < 0:
            raise ValueError("A price is a number and not negative.")
        if self.price != round(self.price, PRICE_DECIMALS):
            raise ValueError(
                f"A price has at most {PRICE_DECIMALS} decimals;"
                " where that is too few, price a larger number of units."
            )
        if self.up_to is not None and (not self.up_to.is_finite() or self.up_to <= 0):
            raise ValueError("A tier ends at a number above 0, or not at all.")


@dataclass(frozen=True, slots=True)
class Charge:
    """What a meter's usage costs. ``base`` is how many units a price is for, a package's size too.

    ``included`` of a whole period's usage are not charged; the tiers count what is above them.
    Of a level the part of a period has its exact share, in usage and in what is included.
    """

    model: Model
    tiers: tuple[Tier, ...]
    base: Decimal = Decimal(1)
    included: Decimal = NOTHING
    is_level: bool = False

    def __post_init__(self) -> None:
        """Tiers rise and the last has no end; only graduated and volume have more than one."""
        if not self.base.is_finite() or self.base <= 0:
            raise ValueError("A price is for a number of units above 0.")
        if not self.included.is_finite() or self.included < 0:
            raise ValueError("Included usage is not negative.")
        if not 0 < len(self.tiers) <= MOST_TIERS or self.tiers[-1].up_to is not None:
            raise ValueError(f"There are 1 to {MOST_TIERS} tiers, and the last one has no end.")
        if self.model in (Model.STANDARD, Model.PACKAGE) and len(self.tiers) > 1:
            raise ValueError(f"The model {self.model} has one price.")
        ends = [tier.up_to for tier in self.tiers[:-1]]
        if None in ends or any(b <= a for a, b in pairwise(e for e in ends if e is not None)):
            raise ValueError("Each tier ends above the one before, and only the last has no end.")


@dataclass(frozen=True, slots=True)
class Rated:
    """A line: ``net`` is exactly ``quantity x price / base``, rounded.

    It is of the units after ``above`` up to and with ``up_to``, of those that are charged.
    """

    quantity: Decimal
    price: Decimal
    base: Decimal
    net: Decimal
    above: Decimal
    up_to: Decimal | None


def rate(
    charge: Charge, *, used: Decimal, exponent: int, included: Decimal | None = None
) -> tuple[Rated, ...]:
    """The lines of that usage; none where it costs nothing because nothing is left to charge.

    ``included`` is how much is included in what is rated, where that is a part of a period.
    ``ValueError`` where the usage is negative.
    """
    if not used.is_finite() or used < 0:
        raise ValueError("A quantity is a number and not negative.")
    free = charge.included if included is None else included
    charged = max(used - free, NOTHING)
    if not charged:
        return ()
    return tuple(_lines(charge, charged, exponent))


def total(lines: Sequence[Rated]) -> Decimal:
    """All of them together."""
    return sum((line.net for line in lines), NOTHING)


def _lines(charge: Charge, charged: Decimal, exponent: int) -> Iterator[Rated]:
    match charge.model:
        case Model.GRADUATED:
            for above, tier in _tiers(charge):
                end = charged if tier.up_to is None else min(charged, tier.up_to)
                if end > above:
                    yield _line(tier, end - above, charge.base, exponent, above)
        case Model.VOLUME:
            above, tier = next(
                (above, tier)
                for above, tier in _tiers(charge)
                if tier.up_to is None or charged <= tier.up_to
            )
            yield _line(tier, charged, charge.base, exponent, above)
        case Model.STANDARD:
            yield _line(charge.tiers[0], charged, charge.base, exponent, NOTHING)
        case Model.PACKAGE:
            packages = charged // charge.base + (charged % charge.base > 0)
            yield _line(charge.tiers[0], packages, Decimal(1), exponent, NOTHING)


def _tiers(charge: Charge) -> Iterator[tuple[Decimal, Tier]]:
    """Each with the number that it begins above."""
    above = NOTHING
    for tier in charge.tiers:
        yield above, tier
        above = above if tier.up_to is None else tier.up_to


def _line(tier: Tier, quantity: Decimal, base: Decimal, exponent: int, above: Decimal) -> Rated:
    net = divided(tier.price, quantity, base, exponent)
    return Rated(quantity, tier.price, base, net, above, tier.up_to)


def charge_of(data: Mapping[str, object]) -> Charge:
    """A charge as kept: ``model``, ``tiers`` as pairs of end and price, ``per``, ``included``.

    ``ValueError`` with one sentence where that makes no sense.
    """
    try:
        model = Model(str(data.get("model", Model.STANDARD)))
    except ValueError:
        names = ", ".join(Model)
        raise ValueError(f"“{data['model']}” is no model; write one of {names}.") from None
    tiers = data.get("tiers")
    if not isinstance(tiers, list) or not all(isinstance(t, list) and len(t) == 2 for t in tiers):
        raise ValueError(
            "Write tiers as pairs of end and price, such as [[1000, 0.02], [null, 1]]."
        )
    return Charge(
        model=model,
        tiers=tuple(Tier(None if end is None else _number(end), _number(p)) for end, p in tiers),
        base=_number(data.get("per", 1)),
        included=_number(data.get("included", 0)),
    )


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"“{value}” is not a number.")  # noqa: TRY004  (as for other bad data)
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"“{value}” is not a number.") from error
