"""A line of usage that was opened, in words: for clients' pages and the admin alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from billing import currencies
from billing.models import InvoiceLine
from billing.services import charge_words
from billing.services.charge_words import TierRow, plain
from billing.services.invoicing import explained_events, explaining
from billing.services.invoicing.explaining import DaySum, Explained, Part
from billing.services.pricing import Rated
from hosting.catalog.meters import Meter
from hosting.selectors.measuring import usage_stretches
from hosting.selectors.measuring.usage_stretches import Stretch

PER_PAGE = 50
MOST_PAGES = 100_000
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PartTold:
    """Days at one price; ``computed`` has an entry for each tier, the amount in it."""

    days: str
    charge: str
    tiers: Sequence[TierRow]
    used: str
    how: str  # it comes of the events
    included: str
    charged: str
    computed: Sequence[str]


@dataclass(frozen=True, slots=True)
class Told:
    """What stands on the page. ``wrong`` is what does not fit, sentence by sentence.

    ``before`` are earlier lines with their amounts, of late usage alone.
    """

    unit: str
    parts: Sequence[PartTold]
    before: Sequence[tuple[InvoiceLine, str]]
    billed: str
    again: str
    is_late: bool
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
    meter = meter_of(line)
    unit = meter.unit if meter else line.meter
    more = sum((part.used_now - part.used for part in found.parts), Decimal(0))
    return Told(
        unit=unit,
        parts=[_part(each, line, unit, meter) for each in found.parts],
        before=[
            (each, currencies.said(explaining.counted(each), currency)) for each in found.before
        ],
        billed=_billed(line, currency),
        again=_again(found, currency),
        is_late=found.is_late,
        wrong=[*_wrong(found), *_wrong_events(found, meter, now)],
        came_since=f"{'+' if more > 0 else ''}{plain(more)}" if more else "",
        days=[(each, plain(_of_day(each, meter))) for each in found.days],
    )


def events(line: InvoiceLine, *, page: str) -> Page:
    """A page of its events; the first for what is no number."""
    number = min(int(page), MOST_PAGES) if page.isascii() and page.isdigit() else 1
    number = max(number, 1)
    first = (number - 1) * PER_PAGE
    rows = list(explained_events.of_line(line)[first : first + PER_PAGE + 1])
    shown = [(row, plain(explained_events.counted(row, line.meter))) for row in rows[:PER_PAGE]]
    return Page(number, shown, has_next=len(rows) > PER_PAGE)


def _part(part: Part, line: InvoiceLine, unit: str, meter: Meter | None) -> PartTold:
    currency = line.invoice.currency
    interval = line.subscription.interval if line.subscription else "period"
    sentence = charge_words.sentence(part.charge, unit=unit, currency=currency, interval=interval)
    return PartTold(
        days=", ".join(f"{first} to {end - _DAY}" for first, end in part.stretch.spans),
        charge=sentence,
        tiers=charge_words.tiers(part.charge, currency=currency),
        used=plain(part.used),
        how=_HOW[meter.aggregation if meter else "sum"] + _share(part.stretch, meter),
        included=plain(part.included),
        charged=plain(max(part.used - part.included, Decimal(0))),
        computed=[_computed(each, currency) for each in part.again],
    )


_HOW = {
    "sum": "all together",
    "count": "how often",
    "max": "the most",
    "unique": "how many different ones",
    "latest": "the last",
    "time_weighted": "the average of the days",
}


def _share(stretch: Stretch, meter: Meter | None) -> str:
    """What is no sum counts by the share of the period that the days are."""
    of = stretch.of or stretch.days
    if meter is None or meter.aggregation in usage_stretches.ADD_UP or of == stretch.days:
        return ""
    return f", by {stretch.days} of {of} days"


def _wrong(found: Explained) -> Iterator[str]:
    if not found.fits:
        yield "The amount computed from the quantity that was billed is not the one on the invoice."


def _wrong_events(found: Explained, meter: Meter | None, now: datetime) -> Iterator[str]:
    for part in found.parts:
        by_events = explained_events.total(found.line, part.stretch, meter, now=now)
        if by_events is not None and by_events != part.used_now:
            yield (
                f"The events come to {plain(by_events)}, and the sums by day that are made of them"
                f" to {plain(part.used_now)}."
            )


def _billed(line: InvoiceLine, currency: str) -> str:
    if line.kind == InvoiceLine.Kind.ADJUSTMENT:
        return currencies.said(line.net, currency)
    return _computed(
        Rated(line.quantity, line.unit_price, line.base, line.net, Decimal(0), None), currency
    )


def _again(found: Explained, currency: str) -> str:
    """Of late usage EUR 12.00 − EUR 10.00 = EUR 2.00, and else as it is computed."""
    if not found.is_late:
        return _computed(found.rated, currency) if found.rated else "nothing"
    now = found.now if found.parts else Decimal(found.line.basis["now"])
    amounts = (now, found.billed_before, now - found.billed_before)
    after, before, rest = (currencies.said(each, currency) for each in amounts)
    return f"{after} − {before} = {rest}"


def _computed(rated: Rated, currency: str) -> str:
    """400 x EUR 1.00 / 100 = EUR 4.00."""
    per = "" if rated.base == 1 else f" / {plain(rated.base)}"
    amount = currencies.said(rated.net, currency)
    price = charge_words.money(rated.price, currency)
    return f"{plain(rated.quantity)} × {price}{per} = {amount}"


def meter_of(line: InvoiceLine) -> Meter | None:
    """How its usage counts; None where the app declares that no more."""
    instance = explaining.subscription_of(line).instance_id
    return usage_stretches.titles({instance})[instance].get(line.meter)


def _of_day(day: DaySum, meter: Meter | None) -> Decimal:
    match meter.aggregation if meter else "sum":
        case "count":
            return Decimal(day.count)
        case "max":
            return day.maximum
        case "unique":
            return Decimal(day.distinct or 0)
        case "latest":
            return day.latest or Decimal(0)
        case "time_weighted":
            return day.mean or Decimal(0)
        case _:
            return day.total
