"""What a line of usage was computed from, as CSV: its days, or every event. Read bit by bit."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo

from billing.models import InvoiceLine
from billing.services.invoicing import explained_events, explaining
from hosting.charts.table import harmless

DAYS, EVENTS = "days", "events"
KINDS = (DAYS, EVENTS)
AT_ONCE = 2000
_DAYS = (
    *("day", "label", "total", "count", "maximum", "distinct", "latest", "mean", "computed_at"),
)
_EVENTS = (
    *("at", "label", "counted", "amount", "input_tokens", "output_tokens", "cached_tokens"),
    *("source", "id", "subject"),
)


def name(line: InvoiceLine, what: str) -> str:
    """What the file is called."""
    return f"{line.invoice.number}-line-{line.position}-{what}.csv"


def written(line: InvoiceLine, what: str) -> Iterator[str]:
    """Its text, row by row; ``what`` is one of ``KINDS``. Moments are by the client's clock."""
    rows, heads = (_days(line), _DAYS) if what == DAYS else (_events(line), _EVENTS)
    yield _row(heads)
    for row in rows:
        yield _row(row)


def _days(line: InvoiceLine) -> Iterator[tuple[object, ...]]:
    for each in explaining.explain(line).days:
        numbers = (_plain(each.total), each.count, _plain(each.maximum))
        levels = (each.distinct, _plain(each.latest), _plain(each.mean))
        yield (each.on, harmless(each.label), *numbers, *levels, each.computed_at.isoformat())


def _events(line: InvoiceLine) -> Iterator[tuple[object, ...]]:
    zone = ZoneInfo(line.subscription.client.timezone if line.subscription else "UTC")
    for each in explained_events.of_line(line).iterator(chunk_size=AT_ONCE):
        counted = f"{explained_events.counted(each, line.meter).normalize():f}"
        tokens = (each["input"], each["output"], each["cached"])
        told = [harmless(each[name]) for name in ("source", "event_id", "key")]
        at = each["at"].astimezone(zone).isoformat()
        yield (at, harmless(each["label"]), counted, each["amount"], *tokens, *told)


def _plain(number: Decimal | None) -> str:
    return "" if number is None else f"{number.normalize():f}"


def _row(values: tuple[object, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(values)
    return text.getvalue()
