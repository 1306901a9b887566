"""CSV as RFC 4180 has it, in UTF-8 with the mark by which Excel knows it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from billing.documents.exports import tables
from billing.documents.exports.cells import Row, as_text
from billing.documents.exports.forms import CURRENCY, DAY, NUMBER, Form
from billing.documents.invoice import Document

BOM = b"\xef\xbb\xbf"
DOCUMENTS = Form(
    name="CSV",
    columns=tables.DOCUMENTS,
    document="Number",
    needed=("Number", "Kind", "Issued on", "Client", "Currency", "Net", "VAT", "Total", "Due"),
    patterns={
        **dict.fromkeys(("Issued on", "Due on", "Delivered on", "Period from", "Period to"), DAY),
        **dict.fromkeys(("Net", "VAT", "Total", "Prepaid", "Due"), NUMBER),
        "Currency": CURRENCY,
    },
)
LINES = Form(
    name="CSV",
    columns=tables.LINES,
    document="Number",
    needed=("Number", "Line", "Name", "Quantity", "Price", "Currency", "Net"),
    patterns={
        **dict.fromkeys(("From", "To"), DAY),
        **dict.fromkeys(("Quantity", "Price", "Price is for", "Net", "VAT rate"), NUMBER),
        "Currency": CURRENCY,
    },
    same=("Currency",),
)


def of_documents(documents: Iterable[Document]) -> Iterator[bytes]:
    """One row an invoice or credit note, in the order given."""
    return written(tables.DOCUMENTS, (tables.document_row(each) for each in documents))


def of_lines(documents: Iterable[Document]) -> Iterator[bytes]:
    """One row a line of theirs."""
    return written(tables.LINES, (row for each in documents for row in tables.line_rows(each)))


def written(head: Sequence[str], rows: Iterable[Row]) -> Iterator[bytes]:
    """The file, row by row: it is never in memory as a whole."""
    yield BOM + _line(head)
    for row in rows:
        yield _line(as_text(row))


def _line(cells: Sequence[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
