"""What a cell of a table holds, and texts that a spreadsheet must not run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from billing.documents.numbers import plain

Cell = str | int | Decimal | date | None
Row = tuple[Cell, ...]

# What begins a formula in Excel, LibreOffice or Google Sheets, full-width forms included:
# https://owasp.org/www-community/attacks/CSV_Injection
_DANGEROUS = "=+-@\t\r\n＝＋－＠"


def neutral(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula.

    Spaces before it hide none: some programs drop them as they read a file. Control characters go:
    no file of ours can hold them.
    """
    tame = "".join(sign for sign in text if sign in "\t\r\n" or not _is_control(sign))
    begins = tame if tame[:1] in _DANGEROUS else tame.lstrip()
    return f"'{tame}" if begins.startswith(tuple(_DANGEROUS)) else tame


def _is_control(sign: str) -> bool:
    return sign < " " or "\x7f" <= sign <= "\x9f"


def written(cell: Cell) -> str:
    """As CSV has it: numbers with a point, days as 2026-03-31, texts made harmless."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return neutral(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell) if isinstance(cell, int) else plain(cell, given_decimals(cell))


def as_text(row: Iterable[Cell]) -> list[str]:
    """A row of CSV."""
    return [written(cell) for cell in row]


def given_decimals(value: Decimal) -> int:
    """The decimals it came with: 2 for 12.50."""
    exponent = value.as_tuple().exponent
    return max(0, -int(exponent))
