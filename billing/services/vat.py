"""Which VAT is charged: a table of rules, with no database and no clock.

The services are supplied electronically (Directive 2006/112/EC): to a business where it is (article
44), there by the buyer (article 196); to anybody else in the EU at the buyer's rate (article 58).
Rates are data: ``vat_rates.csv``, by country and date.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path

EU = {
    *("AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE"),
    *("IT", "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE"),
}
RATES = Path(__file__).resolve().parent.parent / "data" / "vat_rates.csv"
Rates = Mapping[str, Sequence[tuple[date, Decimal]]]


class Number(StrEnum):
    """What is known of the buyer's VAT number."""

    NONE = "none"
    PENDING = "pending"
    VALID = "valid"
    INVALID = "invalid"
    UNCHECKED = "unchecked"  # of a country outside the EU, where nothing hangs on it


class Rule(StrEnum):
    """Why VAT is charged or not."""

    DOMESTIC = "domestic"
    REVERSE_CHARGE = "reverse_charge"
    EU_CONSUMER = "eu_consumer"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is charged. ``category`` is of UNCL 5305, ``reason_code`` of the VATEX list."""

    rule: Rule
    category: str
    rate: Decimal
    reason: str = ""
    reason_code: str = ""


class Undecided(Exception):
    """The answer depends on something that is not known yet; its text says on what."""


def decide(*, seller: str, buyer: str, number: Number, on: date, rates: Rates) -> Decision:
    """What a seller charges a buyer, by country, for what was supplied by that day.

    ``Undecided`` while it depends on a VAT number that has not been confirmed, or where no rate is
    known.
    """
    if seller == buyer:
        return Decision(Rule.DOMESTIC, "S", rate_on(rates, seller, on))
    if buyer not in EU or seller not in EU:
        return _EXPORT
    match number:
        case Number.VALID:
            return _REVERSE_CHARGE
        case Number.PENDING:
            raise Undecided("The client's VAT number has not been confirmed yet.")
        case _:
            return Decision(Rule.EU_CONSUMER, "S", rate_on(rates, buyer, on))


_REVERSE_CHARGE = Decision(
    Rule.REVERSE_CHARGE, "AE", Decimal(0), "Reverse charge: VAT is due from the recipient.",
    "VATEX-EU-AE",
)  # fmt: skip
_EXPORT = Decision(
    Rule.EXPORT, "G", Decimal(0), "Supplied to a recipient outside the EU: no VAT is charged.",
    "VATEX-EU-G",
)  # fmt: skip


def rate_on(rates: Rates, country: str, on: date) -> Decimal:
    """The standard rate there on that day, in per cent. ``Undecided`` where none is known."""
    begun = [each for each in rates.get(country, ()) if each[0] <= on]
    if not begun:
        raise Undecided(f"No VAT rate is known for {country} on {on}.")
    return max(begun)[1]


@cache
def known_rates() -> Rates:
    """Those of the file."""
    found: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
    with RATES.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            begin = date.fromisoformat(row["from"])
            found[row["country"]].append((begin, Decimal(row["rate"])))
    return found
