"""Years, months and days to choose from above lists that are too long to be looked through."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TypeVar

from django.db.models import Max, Min, Model, QuerySet

M = TypeVar("M", bound=Model)


class Between(QuerySet[M, M]):
    """Rows of a table with an index by date, for an admin with a ``date_hierarchy``.

    All years, months or days from the first row's to the last one's, whether or not one has a row:
    which of them have is only known by reading all.
    """

    def dates(self, field_name: str, kind: str, order: str = "ASC") -> list[date]:  # type: ignore[override]
        """In order of time."""
        found = self.order_by().aggregate(first=Min(field_name), last=Max(field_name))
        if found["first"] is None:
            return []
        return list(_each(kind, found["first"], found["last"]))


def _each(kind: str, first: date, last: date) -> Iterator[date]:
    at = _begin(kind, first)
    while at <= last:
        yield at
        at = _begin(kind, at + _LONGEST[kind])


def _begin(kind: str, day: date) -> date:
    if kind == "year":
        return day.replace(month=1, day=1)
    return day.replace(day=1) if kind == "month" else day


_LONGEST = {"year": timedelta(days=366), "month": timedelta(days=31), "day": timedelta(days=1)}
