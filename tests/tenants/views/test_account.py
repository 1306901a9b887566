"""Logging in and one's own account: throttled by address, and nothing past the audit log."""

from __future__ import annotations

import uuid

import pytest
from django.core import mail
from django.test import Client as Browser
from pytest_django import Settings

from tenants.models import AuditEvent, User

PASSWORD = "correct horse battery"
BETTER = "staple battery horse 47"


@pytest.fixture(autouse=True)
def _real_cache(settings: Settings) -> None:
    """Counts of this test's own: what other tests did with the same address does not matter."""
    settings.CACHES["default"]["KEY_PREFIX"] = uuid.uuid4().hex


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user(f"{uuid.uuid4().hex}@acme.example", PASSWORD, name="Bob")


@pytest.fixture
def browser(bob: User) -> Browser:
    browser = Browser()
    browser.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    return browser


def _log_in(password: str, email: str, address: str, **headers: str) -> bool:
    """Whether it worked, from that address."""
    form = {"login": email, "password": password}
    answer = Browser(REMOTE_ADDR=address, headers=headers).post("/account/login/", form)
    return answer.status_code == 302


def test_it_stops_guessing_a_password(bob: User) -> None:
    for _ in range(6):
        assert not _log_in("wrong", bob.email, "192.0.2.1")
    assert not _log_in(PASSWORD, bob.email, "192.0.2.1")


def test_people_behind_a_trusted_proxy_are_told_apart(bob: User, settings: Settings) -> None:
    settings.BERTH_TRUSTED_PROXIES = ["192.0.2.1"]
    for number in range(12):
        email = f"{number}@acme.example"
        assert not _log_in("wrong", email, "192.0.2.1", x_forwarded_for="198.51.100.7")
    assert _log_in(PASSWORD, bob.email, "192.0.2.1", x_forwarded_for="198.51.100.8")


def test_it_works_behind_a_socket_that_has_no_address(bob: User) -> None:
    assert _log_in(PASSWORD, bob.email, "")


@pytest.mark.django_db
def test_the_admin_has_no_log_in_of_its_own_past_the_throttle() -> None:
    root = User.objects.create_superuser(f"{uuid.uuid4().hex}@berth.example", PASSWORD)
    browser = Browser()
    form = {"username": root.email, "password": PASSWORD}
    answer = browser.post("/admin/login/?next=/admin/", form)
    assert answer["Location"] == "/account/login/?next=%2Fadmin%2F"
    assert browser.get("/admin/").status_code == 302
    answer = browser.post(answer["Location"], {"login": root.email, "password": PASSWORD})
    assert answer["Location"] == "/admin/"
    assert browser.get("/admin/").status_code == 200


def test_nobody_takes_another_address(bob: User, browser: Browser) -> None:
    form = {"email": "carol@acme.example", "action_add": "1"}
    assert browser.post("/account/email/", form).status_code == 405
    assert (
        browser.post(
            "/account/email/", {"email": "carol@acme.example", "action_primary": "1"}
        ).status_code
        == 405
    )
    bob.refresh_from_db()
    assert bob.email != "carol@acme.example"
    assert not mail.outbox


def test_changing_the_own_password_is_in_the_audit_log(bob: User, browser: Browser) -> None:
    form = {"oldpassword": PASSWORD, "password1": BETTER, "password2": BETTER}
    browser.post("/account/password/change/", form)
    bob.refresh_from_db()
    assert bob.check_password(BETTER)
    event = AuditEvent.objects.get(action="user.password_set")
    assert (event.object_id, event.actor_id) == (str(bob.pk), str(bob.pk))
    assert browser.get("/account/password/change/").status_code == 200  # still logged in


def test_resetting_a_forgotten_password_is_in_the_audit_log(bob: User) -> None:
    browser = Browser()
    browser.post("/account/password/reset/", {"email": bob.email})
    link = next(word for word in mail.outbox[0].body.split() if "/password/reset/key/" in word)
    form_page = browser.get("/" + link.split("/", 3)[3])["Location"]
    browser.post(form_page, {"password1": BETTER, "password2": BETTER})
    bob.refresh_from_db()
    assert bob.check_password(BETTER)
    assert AuditEvent.objects.get(action="user.password_set").object_id == str(bob.pk)
