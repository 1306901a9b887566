from __future__ import annotations

from datetime import date
from typing import Any

from django.contrib.messages import get_messages
from django.test import Client as Browser
from django.urls import reverse

from tenants.models import AuditEvent, Client, DataKey, Member, User

ADD = "admin:tenants_client_add"
NO_MEMBERS = {"members-TOTAL_FORMS": "0", "members-INITIAL_FORMS": "0"}
BASICS = {"name": "Brightside", "slug": "brightside", "timezone": "Europe/London"}


def test_a_new_client_gets_a_data_key_and_an_audit_event(root: Browser) -> None:
    assert root.post(reverse(ADD), {**BASICS, **NO_MEMBERS}).status_code == 302
    client = Client.objects.get()
    assert DataKey.objects.filter(client=client).exists()
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_label) == ("client.created", "Root <root@berth.example>")


def test_a_client_is_made_with_its_first_owner_in_one_go(root: Browser) -> None:
    bob = User.objects.create_user("bob@brightside.example")
    member = {"members-0-user": str(bob.pk), "members-0-role": "owner"}
    form = {**BASICS, **NO_MEMBERS, **member, "members-TOTAL_FORMS": "1"}
    assert root.post(reverse(ADD), form).status_code == 302
    assert Member.objects.get(client__slug="brightside").user == bob
    actions = AuditEvent.objects.order_by("sequence").values_list("action", flat=True)
    assert list(actions) == ["client.created", "member.added"]


def test_what_is_wrong_stands_at_its_field_and_changes_nothing(root: Browser, acme: Client) -> None:
    events = AuditEvent.objects.count()
    bad = {**BASICS, "slug": "acme", "timezone": "Mars/Olympus", **NO_MEMBERS}
    form = root.post(reverse(ADD), bad).context["adminform"].form
    assert set(form.errors) == {"slug", "timezone"}
    assert (Client.objects.count(), AuditEvent.objects.count()) == (1, events)


def test_a_change_is_audited_by_what_is_different(root: Browser, acme: Client) -> None:
    form = {"name": "Acme", "timezone": "UTC", "slug": "other", **NO_MEMBERS}
    root.post(_page(acme), form)  # no “is_active”: the switch is off
    acme.refresh_from_db()
    assert (acme.timezone, acme.is_active, acme.slug) == ("UTC", False, "acme")
    event = AuditEvent.objects.latest("sequence")
    assert event.before == {"timezone": "Europe/Berlin", "is_active": True}
    assert event.after == {
        "timezone": "UTC",
        "is_active": False,
        "days_from": acme.zones[-1][0],
    }


def test_a_move_says_from_when_on_days_are_counted_by_it(root: Browser, acme: Client) -> None:
    shown = root.get(_page(acme)).content.decode()
    assert "Days of usage and billing are counted by it from the first day on" in shown
    form = {"name": "Acme", "timezone": "Asia/Kathmandu", "is_active": "on", **NO_MEMBERS}
    response = root.post(_page(acme), form)
    acme.refresh_from_db()
    first = date.fromisoformat(acme.zones[-1][0])
    said = f"Days are counted by the new clock from {first.day} {first:%B %Y} on."
    assert said in [str(each) for each in get_messages(response.wsgi_request)]
    assert said in root.get(_page(acme)).content.decode()
    back = {**form, "timezone": "Europe/Berlin"}
    response = root.post(_page(acme), back)
    acme.refresh_from_db()
    assert acme.zones == [["0001-01-01", "Europe/Berlin"]]
    said = "Days go on being counted by the clock they were."
    assert said in [str(each) for each in get_messages(response.wsgi_request)]


def test_a_move_that_would_leave_out_a_day_is_refused_at_its_field(
    root: Browser, acme: Client
) -> None:
    Client.objects.update(timezone="Pacific/Pago_Pago")
    form = {"name": "Other", "timezone": "Pacific/Kiritimati", "is_active": "on", **NO_MEMBERS}
    refused = root.post(_page(acme), form).context["adminform"].form
    assert list(refused.errors) == ["timezone"]
    assert "so that a day would be left out" in str(refused.errors)
    acme.refresh_from_db()
    assert (acme.name, acme.timezone, acme.zones) == ("Acme", "Pacific/Pago_Pago", [])


def test_an_owner_can_be_replaced_in_one_go_but_not_removed_alone(
    root: Browser, acme: Client, alice: User
) -> None:
    owner = Member.objects.get()
    form = {
        "name": "Acme",
        "timezone": "Europe/Berlin",
        "is_active": "on",
        "members-TOTAL_FORMS": "1",
        "members-INITIAL_FORMS": "1",
        "members-0-id": str(owner.pk),
        "members-0-client": str(acme.pk),
        "members-0-role": "owner",
        "members-0-DELETE": "on",
    }
    refused = root.post(_page(acme), form).context["adminform"].form
    assert "only owner" in str(refused.errors)
    assert Member.objects.get() == owner

    bob = User.objects.create_user("bob@acme.example")
    new = {"members-1-user": str(bob.pk), "members-1-role": "owner", "members-TOTAL_FORMS": "2"}
    assert root.post(_page(acme), {**form, **new}).status_code == 302
    assert Member.objects.get().user == bob


def test_members_are_removed_from_the_list_except_the_last_owner(
    root: Browser, acme: Client, alice: User
) -> None:
    bob = User.objects.create_user("bob@acme.example")
    Member.objects.create(client=acme, user=bob, role="viewer")
    chosen = [str(each.pk) for each in Member.objects.all()]
    page = reverse("admin:tenants_member_changelist")
    form = {"action": "remove_selected", "_selected_action": chosen}
    response = root.post(page, form)
    said = sorted(str(each) for each in get_messages(response.wsgi_request))
    assert said[1] == "Removed 1."
    assert "only owner" in said[0]
    assert Member.objects.get().user == alice


def test_a_role_changes_on_the_members_page_and_nothing_else(
    root: Browser, acme: Client, alice: User
) -> None:
    bob = User.objects.create_user("bob@acme.example")
    member = Member.objects.create(client=acme, user=bob, role="viewer")
    form = {"user": str(alice.pk), "role": "admin"}
    root.post(reverse("admin:tenants_member_change", args=[member.pk]), form)
    member.refresh_from_db()
    assert (member.user, member.role) == (bob, "admin")
    assert AuditEvent.objects.latest("sequence").action == "member.role_changed"


def test_a_client_cannot_be_deleted(root: Browser, acme: Client) -> None:
    url = reverse("admin:tenants_client_delete", args=[acme.pk])
    assert root.post(url, {"post": "yes"}).status_code == 403
    listed: dict[str, Any] = {"action": "delete_selected", "_selected_action": [str(acme.pk)]}
    root.post(reverse("admin:tenants_client_changelist"), {**listed, "post": "yes"})
    assert Client.objects.filter(pk=acme.pk).exists()


def test_history_is_the_audit_log_of_the_object(root: Browser, acme: Client) -> None:
    other = Client.objects.create(name="Other", slug="other")
    response = root.get(reverse("admin:tenants_client_history", args=[acme.pk]), follow=True)
    events = [event.action for event in response.context["cl"].result_list]
    assert events == ["client.created"]
    empty = root.get(reverse("admin:tenants_client_history", args=[other.pk]), follow=True)
    assert not list(empty.context["cl"].result_list)


def _page(client: Client) -> str:
    return reverse("admin:tenants_client_change", args=[client.pk])
