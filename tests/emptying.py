"""Emptying the database after a test that has committed.

Django truncates every table and then has permissions and groups made anew, which takes longer than
most tests. Here only the rows are deleted that a test has left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.test import TransactionTestCase


@dataclass
class Emptying:
    """Leaves what a flush leaves; ``flush`` is Django's, for when what stays was changed."""

    flush: Callable[[TransactionTestCase], None]
    _stays: dict[str, str] = field(default_factory=dict)  # digests by table

    def after(self, case: TransactionTestCase) -> None:
        """Empty the database after that case."""
        triggers = _triggers()
        _let(triggers, "DISABLE TRIGGER")  # past those that forbid exactly this
        try:
            if not (self._stays and self._delete()):
                self.flush(case)
                self._stays = _digests(_tables())
        finally:
            _let(triggers, "ENABLE ALWAYS TRIGGER")

    @transaction.atomic
    def _delete(self) -> bool:
        """Delete all rows but of the tables that stay; False where those are not as they were."""
        tables = _tables()
        with connection.cursor() as cursor:
            # As TRUNCATE does: it waits for whoever still has something open.
            cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
            if _digests([*self._stays]) != self._stays:
                return False
            for table in _filled([each for each in tables if each not in self._stays]):
                cursor.execute(f"DELETE FROM {table}")
        return True


def _triggers() -> list[tuple[str, str]]:
    """Those that keep rows from being changed, whoever asks: table and name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger"
            " WHERE tgenabled = 'A' AND NOT tgisinternal"
        )
        found: list[tuple[str, str]] = cursor.fetchall()
    return found


def _let(triggers: Sequence[tuple[str, str]], what: str) -> None:
    with connection.cursor() as cursor:
        for table, name in triggers:
            cursor.execute(f"ALTER TABLE {table} {what} {name}")


def _tables() -> list[str]:
    """Those of all models, as a flush has them."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return [connection.ops.quote_name(name) for name in names]


def _filled(tables: Sequence[str]) -> list[str]:
    """Those of the tables that have rows."""
    looks = (f"SELECT '{each}' WHERE EXISTS (SELECT FROM {each})" for each in tables)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
        return [table for (table,) in cursor.fetchall()]


def _digests(tables: Sequence[str]) -> dict[str, str]:
    """One of all rows of each of the tables that has any."""
    rows = "string_agg(row::text, '' ORDER BY row::text)"
    looks = (f"SELECT '{each}', md5({rows}) FROM {each} AS row" for each in tables)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
        return {table: digest for table, digest in cursor.fetchall() if digest is not None}
