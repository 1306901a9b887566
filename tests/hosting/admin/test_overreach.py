"""Staff trying for more than their group may."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from hosting.models import Chore, FleetAction, Server, Stray
from tenants.models import Client, Member, Role, User

Staff = Callable[[str], Browser]


def test_nobody_guesses_a_password_hash_by_filtering_users(staff: Staff, alice: User) -> None:
    users = reverse("admin:tenants_user_changelist")
    browser = staff("support")
    assert alice.email in browser.get(users).content.decode()
    for lookup in ("password", "password__startswith", "password__regex"):
        assert browser.get(users, {lookup: alice.password[:20]}).status_code == 400


def test_support_gives_itself_no_role_at_a_client(staff: Staff, acme: Client) -> None:
    browser = staff("support")
    oneself = User.objects.get(email="support@berth.example")
    form = {"client": str(acme.pk), "user": str(oneself.pk), "role": "owner"}
    page = browser.post(reverse("admin:tenants_member_add"), form).content.decode()
    assert "ask a colleague" in page
    assert not Member.objects.filter(user=oneself).exists()
    inline = {
        "members-TOTAL_FORMS": "1",
        "members-INITIAL_FORMS": "0",
        "members-0-user": str(oneself.pk),
        "members-0-role": "owner",
    }
    browser.post(reverse("admin:tenants_client_change", args=[acme.pk]), inline)
    assert not Member.objects.filter(user=oneself).exists()


def test_support_raises_its_own_role_at_no_client(staff: Staff, acme: Client) -> None:
    browser = staff("support")
    oneself = User.objects.get(email="support@berth.example")
    member = Member.objects.create(client=acme, user=oneself, role=Role.VIEWER)
    page = reverse("admin:tenants_member_change", args=[member.pk])
    assert "ask a colleague" in browser.post(page, {"role": "owner"}).content.decode()
    member.refresh_from_db()
    assert member.role == Role.VIEWER


def test_support_still_adds_others(staff: Staff, acme: Client, alice: User) -> None:
    bob = User.objects.create_user("bob@acme.example")
    form = {"client": str(acme.pk), "user": str(bob.pk), "role": "viewer"}
    staff("support").post(reverse("admin:tenants_member_add"), form)
    assert Member.objects.get(user=bob).role == Role.VIEWER


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint", "tcp://198.51.100.9:2376"),
        ("engine", "docker"),
        ("supernet", "10.240.0.0/16"),
    ],
)
def test_operations_points_no_server_elsewhere(
    staff: Staff, memory_server: Server, field: str, value: str
) -> None:
    before = getattr(memory_server, field)
    form = {"cpus": "8", "memory_mb": "4096", "disk_gb": "50", field: value}
    form |= {"parallel_operations": "4"}
    staff("operations").post(reverse("admin:hosting_server_change", args=[memory_server.pk]), form)
    memory_server.refresh_from_db()
    assert (memory_server.memory_mb, getattr(memory_server, field)) == (4096, before)


@pytest.mark.parametrize("group", ["support", "finance"])
@pytest.mark.parametrize("model", ["server", "fleetaction", "stray", "chore"])
def test_what_a_group_may_not_list_it_opens_by_no_address(
    staff: Staff, memory_server: Server, model: str, group: str
) -> None:
    made = {
        "server": memory_server,
        "fleetaction": FleetAction.objects.create(
            server=memory_server, kind="stop", requested_by_label="x"
        ),
        "stray": Stray.objects.create(server=memory_server, kind="volume", reference="x", name="x"),
        "chore": Chore.objects.create(name="x", due_at=timezone.now()),
    }
    page = reverse(f"admin:hosting_{model}_change", args=[made[model].pk])
    assert staff(group).get(page).status_code == 403


def test_the_last_day_of_the_calendar_is_no_error(staff: Staff) -> None:
    log = reverse("admin:tenants_auditevent_changelist")
    days = {"at_from": "0001-01-01", "at_to": "9999-12-31"}
    assert staff("support").get(log, days).status_code == 200
