"""The table behind a chart: the same values, for spreadsheets and whoever sees no lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from hosting.charts.geometry import Chart

# What begins a formula in Excel, LibreOffice or Google Sheets, full-width forms included:
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


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


def harmless(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula.

    Spaces before it hide none: some programs drop them as they read a file. Control characters go:
    no file of ours can hold them. ``billing.documents``, which knows no other room, does the same.
    """
    tame = "".join(sign for sign in text if sign in "\t\r\n" or not _is_control(sign))
    begins = tame if tame.startswith(_FORMULA) else tame.lstrip()
    return f"'{tame}" if begins.startswith(_FORMULA) else tame


def _is_control(sign: str) -> bool:
    return sign < " " or "\x7f" <= sign <= "\x9f"
