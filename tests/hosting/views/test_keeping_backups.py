"""What a client makes, keeps and lets go of its backups."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hosting.models import Backup, Instance
from tenants.models import AuditEvent, Client, Role, User
from tests.hosting.views.history import (
    proven,
)
from tests.hosting.views.reading import (
    ALL,
    PAGE,
    PART,
    plain,
    text,
)

Order = Callable[..., Instance]
Login = Callable[[User | None], Browser]
VERBS = ("keep", "let-go")


def test_a_backup_is_made_by_a_click(book: Instance, browser: Browser, alice: User) -> None:
    assert "Back up now" in text(browser)
    part = browser.post(f"{PAGE}backup", headers=PART).content.decode()
    assert part.lstrip().startswith('<div id="live"')
    words = plain(part)
    assert "Backing up" in words
    assert "No proven backup yet; one is being made now." in words
    assert 'disabled title="Not while it is backing up."' in part
    backup = Backup.objects.get()
    assert (backup.instance, backup.trigger) == (book, "asked")
    assert "/keep" not in part
    assert backup.operation is not None
    assert (backup.operation.kind, backup.operation.requested_by) == ("backup", alice)
    operation = text(browser, f"/c/acme/operations/{backup.operation_id}/")
    assert "Backing up book" in operation
    assert "asked to back up acme/book" in text(browser, "/c/acme/audit/")


def test_a_second_one_is_refused_with_who_was_first(book: Instance, browser: Browser) -> None:
    assert browser.post(f"{PAGE}backup")["Location"] == PAGE
    said = plain(browser.post(f"{PAGE}backup", headers=PART).content.decode())
    assert "book is busy: “Back up” was asked for by Alice" in said
    assert Backup.objects.count() == 1


def test_a_backup_is_kept_and_let_go(book: Instance, browser: Browser) -> None:
    backup = proven(book, timezone.now())
    keep, let_go = f"/c/acme/backups/{backup.pk}/keep", f"/c/acme/backups/{backup.pk}/let-go"
    page = browser.get(PAGE)
    assert f'hx-post="{keep}"' in page.content.decode()
    part = browser.post(keep, headers=PART).content.decode()
    assert part.lstrip().startswith('<div id="live"')
    assert f'hx-post="{let_go}"' in part
    assert "Until let go" in part
    seen = f"{PAGE}?seen={page.context['fingerprint']}"
    assert browser.get(seen, headers=PART).status_code == 200, "others see it too"
    assert browser.post(let_go)["Location"] == PAGE
    backup.refresh_from_db()
    assert not backup.is_pinned
    log = text(browser, "/c/acme/audit/")
    assert "chose to keep a backup of acme/book" in log
    assert "let go of a kept backup of acme/book" in log


def test_one_that_is_gone_is_not_kept(book: Instance, browser: Browser) -> None:
    backup = proven(book, timezone.now(), removed_at=timezone.now())
    part = browser.post(f"/c/acme/backups/{backup.pk}/keep", headers=PART).content.decode()
    assert "Only a backup that was verified and is still there can be kept." in part
    assert not AuditEvent.objects.filter(action="backup.pinned").exists()


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_lookers_see_backups_and_change_none(
    role: Role, book: Instance, member: Callable[[Role], User], login: Login
) -> None:
    backup = proven(book, timezone.now(), is_pinned=True)
    browser = login(member(role))
    page = browser.get(PAGE).content.decode()
    assert "Proven" in page
    assert "Until let go" in page
    assert "Back up now" not in page
    assert "/let-go" not in page
    for path in (f"{PAGE}backup", *(f"/c/acme/backups/{backup.pk}/{v}" for v in VERBS)):
        refused = browser.post(path)
        assert refused.status_code == 403
        assert "you may not make or keep backups" in refused.content.decode()
    backup.refresh_from_db()
    assert backup.is_pinned
    assert Backup.objects.count() == 1


def test_an_admin_makes_and_keeps(
    book: Instance, member: Callable[[Role], User], login: Login
) -> None:
    backup = proven(book, timezone.now())
    browser = login(member(Role.ADMIN))
    assert browser.post(f"/c/acme/backups/{backup.pk}/keep").status_code == 302
    assert browser.post(f"{PAGE}backup").status_code == 302
    backup.refresh_from_db()
    assert backup.is_pinned
    assert book.operations.filter(kind="backup").exists()


def test_nothing_is_made_or_kept_at_an_inactive_client(
    book: Instance, acme: Client, browser: Browser
) -> None:
    backup = proven(book, timezone.now())
    acme.is_active = False
    acme.save()
    page = text(browser)
    assert "Proven" in page
    assert "Back up now" not in page
    for path in (f"{PAGE}backup", f"/c/acme/backups/{backup.pk}/keep"):
        assert browser.post(path).status_code == 403


@pytest.mark.parametrize("client", ["acme", "globex"])
def test_someone_elses_backups_do_not_exist(
    client: str, book: Instance, mallory: User, login: Login
) -> None:
    backup = proven(book, timezone.now())
    browser = login(mallory)
    assert browser.get(f"/c/{client}/instances/book/backups/").status_code == 404
    for path in ("instances/book/backup", *(f"backups/{backup.pk}/{verb}" for verb in VERBS)):
        assert browser.post(f"/c/{client}/{path}").status_code == 404
    backup.refresh_from_db()
    assert not backup.is_pinned


def test_a_backup_of_a_deleted_instance_is_not_reached(
    book: Instance, order: Order, browser: Browser
) -> None:
    backup = proven(book, timezone.now())
    Instance.objects.update(state="deleted", deleted_at=timezone.now())
    book.hostnames.all().delete()
    order("book")
    assert browser.post(f"/c/acme/backups/{backup.pk}/keep").status_code == 404
    assert browser.post(f"/c/acme/backups/{uuid.uuid4()}/keep").status_code == 404
    assert "read back" not in text(browser)


def test_keeping_and_letting_go_need_a_post_with_a_token(book: Instance, alice: User) -> None:
    backup = proven(book, timezone.now())
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    for verb in VERBS:
        path = f"/c/acme/backups/{backup.pk}/{verb}"
        assert browser.get(path).status_code == 405
        assert browser.post(path).status_code == 403


@pytest.mark.parametrize(
    ("page", "back"), [("2", f"{ALL}?page=2"), ("//evil.example", ALL), ("", PAGE)]
)
def test_keeping_leads_back_to_where_it_was_asked(
    page: str, back: str, book: Instance, browser: Browser
) -> None:
    backup = proven(book, timezone.now())
    answer = browser.post(f"/c/acme/backups/{backup.pk}/keep", {"page": page})
    assert answer["Location"] == back
