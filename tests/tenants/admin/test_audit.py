from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from tenants.admin.audit import differences
from tenants.models import AuditEvent, Client
from tenants.services import clients
from tenants.services.actors import Actor

LIST = "admin:tenants_auditevent_changelist"


@pytest.fixture
def brightside(db: None) -> Client:
    bob = Actor(id="", label="Bob <bob@berth.example>")
    client = clients.create(name="Brightside", slug="brightside", actor=bob)
    return clients.update(client=client, timezone="Europe/London", actor=bob)


@pytest.mark.parametrize("page", ["add", "change", "delete"])
def test_not_even_a_superuser_writes_to_it(root: Browser, acme: Client, page: str) -> None:
    event = AuditEvent.objects.get()
    arguments = [] if page == "add" else [event.pk]
    url = reverse(f"admin:tenants_auditevent_{page}", args=arguments)
    assert root.post(url, {"post": "yes", "action": "forged"}).status_code == 403
    assert AuditEvent.objects.get().hash == event.hash


def test_no_action_is_offered_on_the_list(root: Browser, acme: Client) -> None:
    assert b'name="_selected_action"' not in root.get(reverse(LIST)).content


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"action": "client.updated"}, ["client.updated"]),
        ({"q": "brightside"}, ["client.updated", "client.created"]),
        ({"actor_label__icontains": "berth (test"}, ["client.created"]),
        ({"client": "not an identifier"}, []),
        ({"at_from": "2200-01-01"}, []),
        ({"at_to": "2000-01-01"}, []),
        ({"at_from": "no date"}, ["client.updated", "client.created", "client.created"]),
    ],
)
def test_it_is_filtered_and_searched(
    root: Browser, acme: Client, brightside: Client, query: dict[str, str], found: list[str]
) -> None:
    assert _actions(root.get(reverse(LIST), query)) == found


def test_the_days_of_the_filter_are_both_included(root: Browser, brightside: Client) -> None:
    today = timezone.now().date().isoformat()
    response = root.get(reverse(LIST), {"at_from": today, "at_to": today})
    assert _actions(response) == ["client.updated", "client.created"]


def test_it_is_filtered_by_client(root: Browser, acme: Client, brightside: Client) -> None:
    response = root.get(reverse(LIST), {"client": str(brightside.pk)})
    assert _actions(response) == ["client.updated", "client.created"]


def test_an_event_shows_what_changed(root: Browser, brightside: Client) -> None:
    event = AuditEvent.objects.get(action="client.updated")
    html = root.get(reverse("admin:tenants_auditevent_change", args=[event.pk])).content.decode()
    assert "<del>UTC</del>" in html
    assert "<ins>Europe/London</ins>" in html
    assert event.hash in html
    assert "Brightside" in html


def test_differences_name_nested_new_and_removed_values() -> None:
    event = AuditEvent(
        before={"limits": {"cpus": "1"}, "groups": ["a", "b"], "name": "Old"},
        after={"limits": {"cpus": "2"}, "groups": [], "is_active": False},
    )
    assert [(each.name, each.before, each.after) for each in differences(event)] == [
        ("groups", "a, b", "(none)"),
        ("is_active", None, "no"),
        ("limits.cpus", "1", "2"),
        ("name", "Old", None),
    ]


def _actions(response: Any) -> list[str]:
    assert response.status_code == 200
    return [event.action for event in response.context["cl"].result_list]
