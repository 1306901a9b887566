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
