"""How PostgreSQL is to look for the rows of a batch."""

from __future__ import annotations

from django.db import connection
from django.db.models import Exists


class ExistsForEach(Exists):
    """Asked of one row after the other: whoever wants the first few stops there.

    Without the offset PostgreSQL would join, and sort all that is due for each batch of it.
    """

    template = "EXISTS(%(subquery)s OFFSET 0)"


def by_index() -> None:
    """Until the transaction ends no table is read whole where an index can find the rows.

    A batch is few rows of large tables. PostgreSQL keeps the plans of foreign keys' checks: those
    it made while a table was small would read all of it for each row once it has grown.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("What is set for a transaction needs one.")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
