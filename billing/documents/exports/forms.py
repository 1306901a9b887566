"""What a table for another program has to look like, and whether a finished file does.

The file is read again as that program would read it: RFC 4180, UTF-8, the columns by their names. A
fault is a bug of ours, or a text that nobody thought of; either way the file must not leave.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from billing.documents.errors import Unfit
from billing.documents.exports.cells import neutral

MOST_FAULTS = 20  # that are said
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
BRITISH_DAY = re.compile(r"\d{2}/\d{2}/\d{4}")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
CURRENCY = re.compile(r"[A-Z]{3}")
_DAYS = {DAY: "%Y-%m-%d", BRITISH_DAY: "%d/%m/%Y"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The form of a table; ``patterns`` are of cells that are not empty, all others are texts.

    Rows with the same ``document`` belong together: they follow each other, and ``same`` columns
    say the same on all of them.
    """

    name: str
    columns: tuple[str, ...]
    document: str
    needed: Collection[str]
    patterns: Mapping[str, re.Pattern[str]]
    same: tuple[str, ...] = ()
    documents_at_most: int | None = None
    rows_at_most: int | None = None


@dataclass(slots=True)
class _Seen:
    documents: set[str] = field(default_factory=set)
    last: str = ""
    said: tuple[str, ...] = ()
    rows: int = 0


def refuse_unfit(content: bytes, form: Form) -> bytes:
    """The content as it is. Raises ``Unfit`` with what is wrong, the first of it."""
    check(io.BytesIO(content), form)
    return content


def check(file: BinaryIO, form: Form) -> None:
    """Read a file from its beginning, row by row. Raises ``Unfit``."""
    file.seek(0)
    found: list[str] = []
    for fault in faults(file, form):
        found.append(fault)
        if len(found) == MOST_FAULTS:
            break
    if found:
        raise Unfit(form.name, found)


def faults(file: BinaryIO, form: Form) -> Iterator[str]:
    """A sentence for each thing that does not fit."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        yield from _of_rows(csv.reader(_lines(text), strict=True), form)
    except UnicodeDecodeError:
        yield "The file is not in UTF-8."
    except (csv.Error, _OtherLineEnd) as error:
        yield f"The file is no table: {error}."
    finally:
        text.detach()  # the file stays open: it is its owner's


class _OtherLineEnd(Exception):
    """A line that ends otherwise than in RFC 4180."""


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    line = "\r\n"
    for line in text:
        yield line
    if not line.endswith("\r\n"):
        raise _OtherLineEnd("its last line does not end with CR LF")


def _of_rows(rows: Iterator[list[str]], form: Form) -> Iterator[str]:
    if tuple(next(rows, [])) != form.columns:
        yield f"Its first line does not have the columns of {form.name}."
        return
    seen = _Seen()
    for number, row in enumerate(rows, start=2):
        seen.rows += 1
        if len(row) != len(form.columns):
            yield f"Row {number} has {len(row)} cells, not {len(form.columns)}."
            continue
        cells = dict(zip(form.columns, row, strict=True))
        yield from (f"Row {number}: {fault}" for fault in _of_cells(cells, form))
        yield from (f"Row {number}: {fault}" for fault in _together(cells, form, seen))
    if form.rows_at_most is not None and seen.rows > form.rows_at_most:
        yield f"It has {seen.rows:,} rows, and {form.name} takes {form.rows_at_most:,}."
    if form.documents_at_most is not None and len(seen.documents) > form.documents_at_most:
        many = f"{len(seen.documents):,} documents"
        yield f"It has {many}, and {form.name} takes {form.documents_at_most:,}."


def _of_cells(cells: Mapping[str, str], form: Form) -> Iterator[str]:
    for column, cell in cells.items():
        pattern = form.patterns.get(column)
        if not cell:
            if column in form.needed:
                yield f"“{column}” is empty."
        elif pattern is None:
            if neutral(cell) != cell:
                yield f"“{column}” is “{cell[:40]}”, which a spreadsheet would run."
        elif not (pattern.fullmatch(cell) and _is_a_day(cell, pattern)):
            yield f"“{column}” is “{cell[:40]}”, which does not fit."


def _is_a_day(cell: str, pattern: re.Pattern[str]) -> bool:
    if pattern not in _DAYS:
        return True
    try:
        datetime.strptime(cell, _DAYS[pattern])  # noqa: DTZ007 - a day alone
    except ValueError:
        return False
    return True


def _together(cells: Mapping[str, str], form: Form, seen: _Seen) -> Iterator[str]:
    document = cells[form.document]
    said = tuple(cells[column] for column in form.same)
    if document != seen.last:
        if document in seen.documents:
            yield f"{document} stood above already, and others between."
        seen.documents.add(document)
        seen.last, seen.said = document, said
    elif said != seen.said:
        yield f"it says something else of {document} than the row before."
