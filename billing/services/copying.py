"""New rows by COPY: of many, one statement with one row each costs more than the rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, models
from psycopg.types.json import Jsonb


def write(table: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows of a table, their values in the order of the columns. Triggers and constraints see them.

    Django's errors, as for any other statement: what the database refuses is an ``IntegrityError``.
    """
    names = ", ".join(f'"{name}"' for name in columns)
    with connection.wrap_database_errors, connection.cursor() as cursor:
        raw: Any = cursor.cursor
        with raw.copy(f"COPY {table._meta.db_table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def write_all(made: Sequence[models.Model]) -> None:
    """Rows for objects of one model, each with its key, all of their columns."""
    if not made:
        return
    table = type(made[0])
    fields = table._meta.concrete_fields
    names = [field.attname for field in fields]
    as_json = [place for place, field in enumerate(fields) if isinstance(field, models.JSONField)]
    write(
        table,
        [str(field.column) for field in fields],
        (_row(each, names, as_json) for each in made),
    )


def _row(of: models.Model, names: Sequence[str], as_json: Sequence[int]) -> list[Any]:
    values = [getattr(of, name) for name in names]
    for place in as_json:
        values[place] = Jsonb(values[place])
    return values
