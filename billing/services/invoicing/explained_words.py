"""A line of usage that was opened, in words: for clients' pages and the admin alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing import currencies
from billing.models import InvoiceLine
from billing.services import charge_words
from billing.services.charge_words import TierRow, plain
from billing.services.invoicing import explaining
from billing.services.invoicing.explaining import DaySum, Explained
from hosting.catalog.meters import Meter
from hosting.selectors.measuring import usage_stretches
from tenants.errors import Refused

PER_PAGE = 50
MOST_PAGES = 100_000


@dataclass(frozen=True, slots=True)
class Told:
    """What stands on the page. ``wrong`` is what does not fit, sentence by sentence."""

    unit: str
    charge: str
    tiers: Sequence[TierRow]
    used: str
    included: str
    charged: str
    billed: str
    again: str
    wrong: Sequence[str]
    came_since: str  # how much more, or less, is known by now
    days: Sequence[tuple[DaySum, str]]


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the events, each with what it counts."""

    number: int
    rows: Sequence[tuple[Mapping[str, Any], str]]
    has_next: bool


def told(line: InvoiceLine, *, now: datetime) -> Told:
    """Open it, and compute it once more. ``Refused`` where it is no line of usage."""
    found = explaining.explain(line)
    currency = line.invoice.currency
    meter = _meter(line)
    unit = meter.unit if meter else line.meter
    more = found.used_now - found.used
    interval = line.subscription.interval if line.subscription else "period"
    return Told(
        unit=unit,
        charge=charge_words.sentence(found.charge, unit=unit, currency=currency, interval=interval),
        tiers=charge_words.tiers(found.charge, currency=currency),
        used=plain(found.used),
        included=plain(found.included),
        charged=plain(max(found.used - found.included, Decimal(0))),
        billed=_computed(line.quantity, line.unit_price, line.base, line.net, currency),
        again=_again(found, currency),
        wrong=_wrong(found, explaining.of_events(line, now=now)),
        came_since=f"{'+' if more > 0 else ''}{plain(more)}" if more else "",
        days=[(each, plain(_of_day(each, meter))) for each in found.days],
    )


def events(line: InvoiceLine, *, page: str) -> Page:
    """A page of its events; the first for what is no number."""
    number = min(int(page), MOST_PAGES) if page.isascii() and page.isdigit() else 1
    number = max(number, 1)
    first = (number - 1) * PER_PAGE
    rows = list(explaining.events(line)[first : first + PER_PAGE + 1])
    shown = [(row, plain(explaining.counted(row, line.meter))) for row in rows[:PER_PAGE]]
    return Page(number, shown, has_next=len(rows) > PER_PAGE)


def _wrong(found: Explained, by_events: Decimal | None) -> list[str]:
    said = []
    if not found.fits:
        said.append(
            "The amount computed from the quantity that was billed is not the one on the invoice."
        )
    if by_events is not None and by_events != found.used_now:
        said.append(
            f"The events come to {plain(by_events)}, and the sums by day that are made of them to"
            f" {plain(found.used_now)}."
        )
    return said


def _again(found: Explained, currency: str) -> str:
    place = int(found.line.basis["tier"])
    if place >= len(found.again):
        return "nothing"
    rated = found.again[place]
    return _computed(rated.quantity, rated.price, rated.base, rated.net, currency)


def _computed(quantity: Decimal, price: Decimal, base: Decimal, net: Decimal, currency: str) -> str:
    """400 x EUR 1.00 / 100 = EUR 4.00."""
    per = "" if base == 1 else f" / {plain(base)}"
    amount = currencies.said(net, currency)
    return f"{plain(quantity)} × {charge_words.money(price, currency)}{per} = {amount}"


def _meter(line: InvoiceLine) -> Meter | None:
    if line.subscription is None:
        raise Refused("Only a line of usage can be opened.")
    instance = line.subscription.instance_id
    return usage_stretches.titles({instance})[instance].get(line.meter)


def _of_day(day: DaySum, meter: Meter | None) -> Decimal:
    match meter.aggregation if meter else "sum":
        case "count":
            return Decimal(day.count)
        case "max":
            return day.maximum
        case _:
            return day.total
