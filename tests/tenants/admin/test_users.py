from __future__ import annotations

from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse

from tenants.models import AuditEvent, User

ADD = "admin:tenants_user_add"
GOOD = "correct horse battery"


def test_a_member_of_staff_is_made_with_password_and_group_and_can_log_in(root: Browser) -> None:
    support = Group.objects.get(name="support")
    form = {"email": "Bob@Berth.example", "name": "Bob", "password": GOOD, "is_staff": "on"}
    assert root.post(reverse(ADD), {**form, "groups": [str(support.pk)]}).status_code == 302
    bob = User.objects.get(email="bob@berth.example")
    assert list(bob.groups.all()) == [support]
    browser = Browser()
    browser.post(reverse("account_login"), {"login": "bob@berth.example", "password": GOOD})
    assert browser.get(reverse("admin:index")).status_code == 200
    event = AuditEvent.objects.get(action="user.created")
    assert event.after["groups"] == ["support"]
    assert GOOD not in str(event.after)


def test_a_weak_password_and_a_taken_address_are_refused_at_their_fields(root: Browser) -> None:
    User.objects.create_user("bob@berth.example")
    weak = root.post(reverse(ADD), {"email": "new@berth.example", "password": "1234"})
    assert "password" in weak.context["adminform"].form.errors
    taken = root.post(reverse(ADD), {"email": "BOB@berth.example", "password": GOOD})
    assert "email" in taken.context["adminform"].form.errors
    assert User.objects.count() == 2


def test_a_password_is_set_checked_and_never_shown(root: Browser) -> None:
    bob = User.objects.create_user("bob@berth.example", "an older battery")
    url = reverse("admin:tenants_user_password", args=[bob.pk])
    for password, again in ((GOOD, "other"), ("1234", "1234")):
        response = root.post(url, {"password": password, "again": again})
        assert response.status_code == 200
        assert password not in response.content.decode()
    assert root.post(url, {"password": GOOD, "again": GOOD}).status_code == 302
    bob.refresh_from_db()
    assert bob.check_password(GOOD)
    page = root.get(reverse("admin:tenants_user_change", args=[bob.pk])).content.decode()
    assert bob.password not in page
    event = AuditEvent.objects.get()
    assert (event.action, event.before, event.after) == ("user.password_set", {}, {})


def test_setting_a_password_ends_the_persons_sessions(root: Browser) -> None:
    bob = User.objects.create_user("bob@berth.example", "an older battery", is_staff=True)
    browser = Browser()
    browser.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.get(reverse("admin:index")).status_code == 200
    url = reverse("admin:tenants_user_password", args=[bob.pk])
    root.post(url, {"password": GOOD, "again": GOOD})
    assert browser.get(reverse("admin:index")).status_code == 302


def test_only_those_who_may_change_users_set_passwords(root: Browser) -> None:
    support = User.objects.create_user("s@berth.example", is_staff=True)
    support.groups.add(Group.objects.get(name="support"))
    browser = Browser()
    browser.force_login(support, backend="django.contrib.auth.backends.ModelBackend")
    url = reverse("admin:tenants_user_password", args=[support.pk])
    assert browser.post(url, {"password": GOOD, "again": GOOD}).status_code == 403


def test_a_users_rights_change_with_an_audit_event(root: Browser) -> None:
    bob = User.objects.create_user("bob@berth.example", name="Bob", is_staff=True)
    bob.groups.add(Group.objects.get(name="support"))
    finance = Group.objects.get(name="finance")
    form = {"email": bob.email, "name": "Bob", "is_active": "on", "is_staff": "on"}
    page = reverse("admin:tenants_user_change", args=[bob.pk])
    root.post(page, {**form, "groups": [str(finance.pk)]})
    event = AuditEvent.objects.get()
    assert (event.before, event.after) == ({"groups": ["support"]}, {"groups": ["finance"]})
    assert list(bob.groups.all()) == [finance]


def test_the_last_superuser_stays(root: Browser, superuser: User) -> None:
    page = reverse("admin:tenants_user_change", args=[superuser.pk])
    form = {"email": superuser.email, "name": "Root", "is_active": "on", "is_staff": "on"}
    refused = root.post(page, form).context["adminform"].form
    assert "Nobody would be left" in str(refused.errors)
    superuser.refresh_from_db()
    assert superuser.is_superuser
    assert not AuditEvent.objects.exists()


def test_a_user_cannot_be_deleted(root: Browser) -> None:
    bob = User.objects.create_user("bob@berth.example")
    url = reverse("admin:tenants_user_delete", args=[bob.pk])
    assert root.post(url, {"post": "yes"}).status_code == 403


def test_ones_own_password_changes_with_an_audit_event(root: Browser, superuser: User) -> None:
    old, new = "correct horse battery", "another staple battery"
    url = reverse("admin:password_change")
    wrong = {"old_password": "wrong", "new_password1": new, "new_password2": new}
    assert root.post(url, wrong).status_code == 200
    assert not AuditEvent.objects.exists()
    assert root.post(url, {**wrong, "old_password": old}).status_code == 302
    superuser.refresh_from_db()
    assert superuser.check_password(new)
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_label) == (
        "user.password_set",
        "Root <root@berth.example>",
    )
    assert root.get(reverse("admin:index")).status_code == 200, "this session goes on"
