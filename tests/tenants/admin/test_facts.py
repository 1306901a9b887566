"""What an object's page shows of it: each fact computed once."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client as Browser
from unfold import fields

from tenants.admin import facts
from tenants.models import Client, User


def test_a_fact_is_computed_once_for_a_page(
    root: Browser, acme: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def look(name: Any, obj: Any, model_admin: Any) -> Any:
        asked.append((name, obj))
        return original(name, obj, model_admin)

    original = fields.lookup_field.__wrapped__
    monkeypatch.setattr(fields, "lookup_field", facts.once_a_page(look))
    page = f"/admin/tenants/client/{acme.pk}/change/"
    assert root.get(page).status_code == 200
    assert asked
    assert len(set(asked)) == len(asked)
    first = len(asked)
    Client.objects.update(slug="other")
    assert "other" in root.get(page).content.decode()  # and anew for the next one
    assert len(asked) == 2 * first


def test_two_pages_tell_facts_of_the_same_name_apart() -> None:
    class Other(admin.ModelAdmin):  # type: ignore[type-arg]
        pass

    user = User(name="Alice")
    found = facts.once_a_page(lambda name, obj, model_admin: (None, None, type(model_admin)))
    for kind in (admin.ModelAdmin, Other):
        assert found("name", user, kind(User, admin.site))[2] is kind


def test_it_is_done_once() -> None:
    before = fields.lookup_field
    facts.compute_once()
    assert fields.lookup_field is before
