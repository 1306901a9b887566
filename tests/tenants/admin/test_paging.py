"""Pages of long lists: the right rows in order, and a number that nobody waits for."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext

from tenants.admin import paging
from tenants.admin.paging import PagesOfKeys
from tenants.models import Client

pytestmark = pytest.mark.django_db


def _make(count: int) -> None:
    Client.objects.bulk_create(Client(name=f"Client {n:02}", slug=f"c{n}") for n in range(count))


def test_each_page_has_its_rows_in_order_in_one_query() -> None:
    _make(7)
    listed = Client.objects.annotate(number=Count("members")).order_by("-name", "-pk")
    pages = PagesOfKeys(listed, 3)
    assert (pages.count, pages.num_pages) == (7, 3)
    found = []
    for number in pages.page_range:
        page = pages.page(number)
        with CaptureQueriesContext(connection) as queries:
            found += [(str(each), vars(each)["number"]) for each in page.object_list]
        assert len(queries) == 1
    assert found == [(f"Client {n:02}", 0) for n in reversed(range(7))]


@pytest.mark.parametrize("order", [("slug", "-pk"), ("-created_at", "name"), ("name",)])
@pytest.mark.parametrize("far", [0, 3, 99])
def test_pages_are_the_same_from_either_end_and_however_far(
    monkeypatch: pytest.MonkeyPatch, order: tuple[str, ...], far: int
) -> None:
    monkeypatch.setattr(paging, "FAR", far)
    _make(11)
    _make_at_one_moment(("Client 02", "Client 03", "Client 07", "Client 08"))
    listed = Client.objects.annotate(number=Count("members")).order_by(*order)
    pages = PagesOfKeys(listed, 2)
    found = [list(pages.page(number).object_list) for number in pages.page_range]
    every = list(listed)
    assert found == [every[first : first + 2] for first in range(0, 11, 2)]


@pytest.mark.parametrize("estimate", [8, 12])
def test_where_the_estimate_is_wrong_pages_still_follow_on_one_another(
    monkeypatch: pytest.MonkeyPatch, estimate: int
) -> None:
    monkeypatch.setattr(paging, "ESTIMATED_FROM", 5)
    monkeypatch.setattr(paging, "FAR", 4)
    monkeypatch.setattr(paging, "_estimate", lambda table: estimate)
    _make(10)
    listed = Client.objects.order_by("-name", "pk")
    pages = PagesOfKeys(listed, 2)
    assert pages.count == estimate
    found = [list(pages.page(number).object_list) for number in pages.page_range]
    every = list(listed)
    assert found == [every[first : first + 2] for first in range(0, estimate, 2)]


def test_the_last_page_passes_over_no_row_and_a_far_one_only_over_those_of_its_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paging, "FAR", 4)
    _make(20)
    pages = PagesOfKeys(Client.objects.order_by("name", "pk"), 2)
    assert "OFFSET" not in _asked(pages, 10)
    assert "OFFSET" not in _asked(pages, 4)
    assert "OFFSET 2" in _asked(pages, 2)


def _asked(pages: PagesOfKeys, number: int) -> str:
    """How the page's keys were asked for; the last query is that of its rows."""
    with CaptureQueriesContext(connection) as queries:
        assert len(pages.page(number).object_list) == 2
    return queries[-2]["sql"]


def _make_at_one_moment(names: tuple[str, ...]) -> None:
    moment = Client.objects.order_by("name")[0].created_at
    Client.objects.filter(name__in=names).update(created_at=moment)


def test_a_large_table_is_estimated_where_nothing_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paging, "ESTIMATED_FROM", 5)
    _make(7)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tenants_client")
    _make_more()
    assert PagesOfKeys(Client.objects.order_by("name"), 3).count == 7
    assert PagesOfKeys(Client.objects.filter(is_active=True).order_by("name"), 3).count == 8


def test_a_small_one_is_counted() -> None:
    _make(7)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tenants_client")
    _make_more()
    assert PagesOfKeys(Client.objects.order_by("name"), 3).count == 8


def _make_more() -> None:
    Client.objects.create(name="One more", slug="one-more")
