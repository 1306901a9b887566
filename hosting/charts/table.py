"""The table behind a chart: the same values, for spreadsheets and whoever sees no lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from hosting.charts.geometry import Chart

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Row:
    """A moment and the value of each line then; None where there is none."""

    at: datetime
    values: Sequence[float | None]


def rows(chart: Chart) -> Iterator[Row]:
    """Oldest first; gaps are in it as moments without a value."""
    by_line = [{each.at: each.value for each in line.points} for line in chart.lines]
    for at in sorted({at for values in by_line for at in values}):
        yield Row(at, [values.get(at) for values in by_line])


def as_csv(chart: Chart) -> str:
    """With moments in the chart's zone and its offset, and plain numbers."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow([harmless(each) for each in ("time", *(line.label for line in chart.lines))])
    for row in rows(chart):
        at = row.at.astimezone(chart.zone).isoformat(timespec="seconds")
        writer.writerow([at, *("" if each is None else f"{each:.12g}" for each in row.values)])
    return written.getvalue()


def harmless(cell: str) -> str:
    """So that no spreadsheet takes it for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
