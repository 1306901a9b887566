"""Pages of the admin's lists, however long these are."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import quote as admin_quote
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Page, Paginator
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest

if TYPE_CHECKING:  # Django's own can't be written with brackets when it runs
    _Paginator = Paginator[Model]
else:
    _Paginator = Paginator

ESTIMATED_FROM = 10_000  # rows; fewer are counted
_KEY = "berth-key"  # stands in a link where a row's own goes
FAR = 5_000  # rows before a page, from which on they are passed over by their leading column


class PagesOfKeys(_Paginator):
    """Pages of long lists: the keys of a page's rows are read, and then what is shown of those.

    So whatever a list joins or annotates is read of some rows, and not of all there are: PostgreSQL
    is given the keys, as it may prefer to join everything to what it is told to look for. They are
    looked for from the nearer end. How many there are of a large table, of which nothing is
    left out, is PostgreSQL's own estimate.
    """

    object_list: QuerySet[Model]

    def page(self, number: int | str) -> Page[Model]:
        """Its rows, in order."""
        page = super().page(number)
        keys = self._rows(first=(page.number - 1) * self.per_page).values_list("pk", flat=True)
        page.object_list = self.object_list.filter(pk__in=list(keys))
        return page

    def _rows(self, *, first: int) -> QuerySet[Model]:
        """The page that begins after so many, looked for from the nearer end.

        Where one page holds all, they are not put in order here: PostgreSQL would look at every
        row in that order until it has found 25, of which there are fewer.
        """
        if self.count <= self.per_page:
            return self.object_list.order_by()
        if first <= self.count // 2 or not self.object_list.ordered:
            return _slice(self.object_list, first, first + self.per_page)
        after = max(self._exact_count - first - self.per_page, 0)
        return _slice(self.object_list.reverse(), after, max(self._exact_count - first, 0))

    @cached_property
    def count(self) -> int:
        """How many rows there are, or about that many."""
        if not self.object_list.query.where:
            estimate = _estimate(self.object_list.model._meta.db_table)
            if estimate >= ESTIMATED_FROM:
                return estimate
        return self._exact_count

    @cached_property
    def _exact_count(self) -> int:
        """How many rows there are; by an estimate, pages would not follow on one another."""
        return self.object_list.count()


class ListOfPages(ChangeList):
    """A list that reads its only page as it reads each of many, and works out one link for all."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Asked for by each row, to look among all addresses for the one that its link leads to.
        self._kept, self.preserved_filters = self.preserved_filters, ""

    def get_results(self, request: HttpRequest) -> None:
        """As Django's, which asks for all that it found at once where one page is enough."""
        super().get_results(request)
        if not self.multi_page:
            self.result_list = self.paginator.page(1).object_list

    def url_for_result(self, result: Model) -> str:
        """Where the row leads, which remembers what the list was narrowed by."""
        key = quote(admin_quote(str(result.serializable_value(self.pk_attname))), safe="")
        return self._link.replace(_KEY, key)

    @cached_property
    def _link(self) -> str:
        link = super().url_for_result(self.model(pk=_KEY))
        return add_preserved_filters({"preserved_filters": self._kept, "opts": self.opts}, link)


def _slice(rows: QuerySet[Model], first: int, last: int) -> QuerySet[Model]:
    """Those from ``first`` on and before ``last``.

    Far down, whatever comes earlier by the leading column alone (a day, say) is counted by that
    column's index, and neither joined nor put in order.
    """
    leading = _leading(rows) if first >= FAR else None
    if leading is None:
        return rows[first:last]
    name = leading.removeprefix("-")
    at = rows.order_by(leading).values_list(name, flat=True)[first:last].first()
    if at is None:  # there are not as many
        return rows[first:last]
    is_falling = leading.startswith("-") is rows.query.standard_ordering
    earlier, others = ("gt", "lte") if is_falling else ("lt", "gte")
    passed = rows.order_by().filter(**{f"{name}__{earlier}": at}).count()
    return rows.filter(**{f"{name}__{others}": at})[first - passed : last - passed]


def _leading(rows: QuerySet[Model]) -> str | None:
    """What the rows are ordered by first, where that is a column of theirs and never NULL."""
    query = rows.query
    first = next(iter(query.order_by), None)
    if not isinstance(first, str) or query.distinct:
        return None
    name = first.removeprefix("-")
    columns = {each.name for each in query.get_meta().concrete_fields if not each.null}
    is_own = name in columns and name not in query.annotations
    return first if is_own and not query.get_meta().get_field(name).is_relation else None


def _estimate(table: str) -> int:
    """How many rows the table had when it was last looked over; -1 where it never was."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [table])
        return int(cursor.fetchone()[0])
