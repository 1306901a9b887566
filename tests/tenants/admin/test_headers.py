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
