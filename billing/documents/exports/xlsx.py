"""A workbook for Excel, with sheets of invoices, of their lines, and of their VAT.

Office Open XML (ECMA-376), by XlsxWriter. Nothing in it says when it was made: the same selection
has the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.workbook import Workbook

from billing.documents.exports import tables
from billing.documents.exports.cells import Cell, Row, given_decimals, neutral
from billing.documents.invoice import Document

MADE_AT = datetime.combine(date(2000, 1, 1), time.min)
ROWS = 1_048_576  # the most that a sheet can hold
_WIDTHS = {
    "Name": 36,
    "Description": 44,
    "Client": 32,
    "Reason": 44,
    "Number": 18,
    "VAT number": 18,
}


class TooManyRows(Exception):
    """More rows than a sheet of Excel holds, as a sentence."""


def of_documents(documents: Iterable[Document]) -> bytes:
    """The workbook. Raises ``TooManyRows``."""
    out = io.BytesIO()
    # Rows go to files of their own as they come, so that memory does not grow with them.
    with xlsxwriter.Workbook(out, {"constant_memory": True}) as workbook:
        workbook.set_properties({"created": MADE_AT})
        formats = _Formats(workbook)
        invoices = _Sheet(workbook, formats, "Invoices", tables.DOCUMENTS)
        lines = _Sheet(workbook, formats, "Lines", tables.LINES)
        vat = _Sheet(workbook, formats, "VAT", tables.VAT)
        for document in documents:
            invoices.add(tables.document_row(document))
            for row in tables.line_rows(document):
                lines.add(row)
            for row in tables.vat_rows(document):
                vat.add(row)
    return out.getvalue()


class _Formats:
    """A workbook's formats: one for each pattern of numbers."""

    def __init__(self, workbook: Workbook) -> None:
        self.workbook = workbook
        self.known: dict[str, Format] = {}
        self.head = workbook.add_format({"bold": True, "bottom": 1})
        self.days = self.of("yyyy-mm-dd")

    def of(self, pattern: str) -> Format:
        if pattern not in self.known:
            self.known[pattern] = self.workbook.add_format({"num_format": pattern})
        return self.known[pattern]

    def number(self, decimals: int) -> Format:
        return self.of("#,##0." + "0" * decimals if decimals else "#,##0")


class _Sheet:
    """A sheet that is written from its top."""

    def __init__(
        self, workbook: Workbook, formats: _Formats, name: str, head: Sequence[str]
    ) -> None:
        self.sheet = workbook.add_worksheet(name)
        self.formats = formats
        self.at = 1
        for column, title in enumerate(head):
            self.sheet.set_column(column, column, _WIDTHS.get(title, 12))
            self.sheet.write_string(0, column, title, formats.head)
        self.sheet.freeze_panes(1, 1)

    def add(self, row: Row) -> None:
        if self.at >= ROWS:
            raise TooManyRows(
                f"A sheet of Excel holds {ROWS:,} rows, and there are more; choose less."
            )
        for column, cell in enumerate(row):
            self._write(column, cell)
        self.at += 1

    def _write(self, column: int, cell: Cell) -> None:
        if isinstance(cell, str):
            self.sheet.write_string(self.at, column, neutral(cell))
        elif isinstance(cell, date):
            moment = datetime.combine(cell, time.min)
            self.sheet.write_datetime(self.at, column, moment, self.formats.days)
        elif cell is not None:
            shown = self.formats.number(given_decimals(Decimal(cell)))
            self.sheet.write_number(self.at, column, float(cell), shown)
