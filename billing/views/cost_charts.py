"""What an instance's language models cost and how often they were asked, as charts of its usage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from billing.selectors import costs, rates
from billing.services.metering import rating
from hosting.catalog.meters import LLM_METERS
from hosting.charts import units
from hosting.charts.geometry import Chart
from hosting.views.usage_windows import DAY, Window, bar_of, bars, used

SHOWN = 3  # models with a part of their own: more could not be told apart
OTHERS = "Other models"


@dataclass(frozen=True, slots=True)
class Bit:
    """What one model was used in a bar, and what of that has a price."""

    at: datetime
    model: str
    requests: int
    unpriced: int
    amounts: Mapping[str, Decimal]


def cost(window: Window) -> Chart:
    """The cost by model, in the currency in which most was spent; the note says what is missing."""
    bits = list(_bits(window))
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for bit in bits:
        for currency, amount in bit.amounts.items():
            totals[currency] += amount
    currency = max(sorted(totals), key=lambda each: totals[each], default="EUR")
    values = [(bit.at, bit.model, float(bit.amounts.get(currency, 0))) for bit in bits]
    parts = _parts(each for each in values if each[2])
    unit = units.money(currency, _digits(parts))
    chart = bars("cost", "Cost of language models", unit, window, parts, step=window.span.part)
    unpriced = sum(bit.unpriced for bit in bits)
    return replace(chart, note=_note(sorted(set(totals) - {currency}), unpriced))


def requests(window: Window) -> Chart:
    """The requests by model."""
    values = [(bit.at, bit.model, float(bit.requests)) for bit in _bits(window)]
    parts = _parts(values)
    return bars(
        "model-requests", "Requests by model", units.COUNT, window, parts, step=window.span.part
    )


def _bits(window: Window) -> Iterator[Bit]:
    if window.span.bar >= DAY:
        found = costs.by_day(window.instance, since=window.first, until=window.after)
        for each in found:
            at = bar_of(each.begin, window, window.span.part)
            yield Bit(at, each.model, each.requests, each.unpriced, each.amounts)
        return
    yield from _priced_quarters(window)


def _priced_quarters(window: Window) -> Iterator[Bit]:
    """Within a day: costs are kept by day, and what was used by quarter of an hour."""
    counted: dict[tuple[datetime, str], dict[str, int]] = defaultdict(dict)
    for each in used(window, LLM_METERS):
        assert isinstance(each.begin, datetime)  # noqa: S101  (they are quarters)
        counted[each.begin, each.label][each.meter] = int(each.value)
    known = rates.of_models({model.lower() for _, model in counted})
    for (begin, model), of in counted.items():
        day = window.instance.client.clock.day_at(begin)
        rate = rating.rate_on(known.get(model.lower(), ()), day)
        number, given, answered, cached = (of.get(name, 0) for name in LLM_METERS)
        amounts = {}
        if rate is not None:
            price = rating.price(rate, given=given, answered=answered, cached=cached)
            amounts = {rate.currency: price}
        unpriced = 0 if rate else number
        yield Bit(bar_of(begin, window, window.span.part), model, number, unpriced, amounts)


def _parts(values: Iterable[tuple[datetime, str, float]]) -> dict[str, dict[datetime, float]]:
    """Bars by model, the most first; of more than can be told apart the rest together."""
    by_model: dict[str, dict[datetime, float]] = defaultdict(lambda: defaultdict(float))
    for at, model, value in values:
        by_model[model][at] += value
    order = sorted(by_model, key=lambda model: (-sum(by_model[model].values()), model))
    parts = {model: dict(by_model[model]) for model in order[:SHOWN]}
    if len(order) == SHOWN + 1:
        return {**parts, order[SHOWN]: dict(by_model[order[SHOWN]])}
    for model in order[SHOWN:]:
        rest = parts.setdefault(OTHERS, {})
        for at, value in by_model[model].items():
            rest[at] = rest.get(at, 0.0) + value
    return parts


def _digits(parts: Mapping[str, Mapping[datetime, float]]) -> int:
    """As many as the largest bar needs: fractions of a cent are shown where there is no more."""
    sums: dict[datetime, float] = defaultdict(float)
    for values in parts.values():
        for at, value in values.items():
            sums[at] += value
    most = max(sums.values(), default=1)
    return 2 if most >= 1 else 4 if most >= 0.01 else 6


def _note(others: list[str], unpriced: int) -> str:
    said = []
    if others:
        said.append(f"What was spent in {' and '.join(others)} is in the costs, not in this chart.")
    if unpriced:
        many = "1 request" if unpriced == 1 else f"{unpriced:,} requests"
        said.append(f"Without {many} of models that have no rate yet.")
    return " ".join(said)


CHARTS = (
    ("cost", "Cost of language models", cost),
    ("model-requests", "Requests by model", requests),
)
