"""Filters of the admin's lists."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.utils import parse_date_str


class DayFilter(RangeDateFilter):  # type: ignore[misc]  # unfold is untyped
    """From one day to another, both included, in UTC; what is no date filters nothing.

    unfold's own compares moments with dates that have no zone, and leaves the last day out.
    """

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Rows whose moment lies in those days."""
        first, last = self._day("from"), self._day("to")
        if first:
            queryset = queryset.filter(**{f"{self.field_path}__gte": _midnight(first)})
        if last and last < date.max:
            end = _midnight(last) + timedelta(days=1)
            queryset = queryset.filter(**{f"{self.field_path}__lt": end})
        return queryset

    def _day(self, end: str) -> date | None:
        text: str | None = self.used_parameters.get(f"{self.parameter_name}_{end}")
        day: date | None = parse_date_str(text) if text else None
        return day


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
