"""Cutting a selection into files as large as the other program takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from billing.documents.errors import Faulty
from billing.documents.invoice import Document


def of(
    documents: Iterable[Document], *, documents_at_most: int, rows_at_most: int
) -> Iterator[list[Document]]:
    """As few parts as it takes, in the order given; a document is never cut.

    Raises ``Faulty`` where a document alone has too many rows.
    """
    part: list[Document] = []
    rows = 0
    for document in documents:
        its_rows = len(document.lines) + len(document.allowances)
        if its_rows > rows_at_most:
            raise Faulty(
                document.number,
                [f"It has {its_rows} rows, and a file must not hold more than {rows_at_most}."],
            )
        if part and (len(part) == documents_at_most or rows + its_rows > rows_at_most):
            yield part
            part, rows = [], 0
        part.append(document)
        rows += its_rows
    if part:
        yield part
