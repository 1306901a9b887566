"""What each page of the admin has: headings of lists, and the sidebar."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser
from unfold.templatetags import unfold_list

from tenants.admin import headers
from tenants.models import Client


def test_headings_are_built_once_for_a_list_and_not_for_each_row(
    root: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []

    def build(listed: Any) -> Any:
        built.append(listed)
        return original(listed)

    original = unfold_list.result_headers.__wrapped__
    monkeypatch.setattr(unfold_list, "result_headers", headers.once_a_list(build))
    Client.objects.bulk_create(Client(name=f"Client {n}", slug=f"c{n}") for n in range(5))
    first, second = (root.get("/admin/tenants/client/").content.decode() for _ in range(2))
    assert len(built) == 2
    for page in (first, second):
        assert page.count('data-label="name"') == 5
        assert "?o=2" in page  # by which a heading sorts


def test_it_is_done_once() -> None:
    before = unfold_list.result_headers
    headers.build_once()
    assert unfold_list.result_headers is before


def test_each_row_leads_to_its_own_page_which_remembers_what_the_list_was_narrowed_by(
    root: Browser,
) -> None:
    made = Client.objects.bulk_create(Client(name=f"Client {n}", slug=f"c{n}") for n in range(3))
    html = root.get("/admin/tenants/client/?q=client&p=1").content.decode()
    for client in made:
        address = f"/admin/tenants/client/{client.pk}/change/"
        link = f"{address}?_changelist_filters=q%3Dclient%26p%3D1"
        assert html.count(f'href="{link}"') == 1
        page = root.get(link).content.decode()
        assert "/admin/tenants/client/?q=client&amp;p=1" in page
    plain = root.get("/admin/tenants/client/").content.decode()
    assert f'href="/admin/tenants/client/{made[0].pk}/change/"' in plain
