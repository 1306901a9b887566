"""Numbers of invoices, without a gap: whoever takes some holds the series until it commits."""

from __future__ import annotations

from django.db import connection

_TAKE = """
INSERT INTO billing_numberseries AS series (name, last) VALUES (%(name)s, %(count)s)
ON CONFLICT (name) DO UPDATE SET last = series.last + excluded.last
RETURNING last
"""


def take(*, series: str, count: int) -> range:
    """The next numbers of a series. In the caller's transaction, and as late in it as can be.

    Everybody else who wants one waits from here until the caller commits; where it does not, the
    numbers were never taken.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("A number belongs into the transaction of its invoice.")
    if not count:
        return range(0)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"name": series, "count": count})
        last: int = cursor.fetchone()[0]
    return range(last - count + 1, last + 1)
