"""CSV as RFC 4180 has it, in UTF-8 with the mark by which Excel knows it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from billing.documents.exports import tables
from billing.documents.exports.cells import Row, as_text
from billing.documents.invoice import Document

BOM = b"\xef\xbb\xbf"


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
