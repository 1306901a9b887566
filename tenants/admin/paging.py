"""Pages of the admin's lists, however long these are."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

from django.core.paginator import Page, Paginator
from django.db import connection
from django.db.models import Model, QuerySet

if TYPE_CHECKING:  # Django's own can't be written with brackets when it runs
    _Paginator = Paginator[Model]
else:
    _Paginator = Paginator

ESTIMATED_FROM = 10_000  # rows; fewer are counted


class PagesOfKeys(_Paginator):
    """Pages of long lists: the keys of a page's rows are found, and what is shown read of those.

    So whatever a list joins or annotates is read of some rows, and not of all there are. How many
    there are of a large table, of which nothing is left out, is PostgreSQL's own estimate.
    """

    object_list: QuerySet[Model]

    def page(self, number: int | str) -> Page[Model]:
        """Its rows, in order."""
        page = super().page(number)
        keys = cast("QuerySet[Model]", page.object_list).values("pk")
        page.object_list = self.object_list.filter(pk__in=keys)
        return page

    @cached_property
    def count(self) -> int:
        """How many rows there are, or about that many."""
        if not self.object_list.query.where:
            estimate = _estimate(self.object_list.model._meta.db_table)
            if estimate >= ESTIMATED_FROM:
                return estimate
        return int(super().count)


def _estimate(table: str) -> int:
    """How many rows the table had when it was last looked over; -1 where it never was."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [table])
        return int(cursor.fetchone()[0])
