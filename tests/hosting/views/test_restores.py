"""What a client reads before a restore, and asks for."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hosting.models import Backup, Instance, Operation, Restore
from hosting.models.backup import FORMAT
from hosting.services.saving import backups
from tenants.models import AuditEvent, Client, Role, User
from tenants.services.actors import Actor
from tests.hosting.views.history import (
    manifest,
    proven,
    restored,
    taken_back,
)
from tests.hosting.views.reading import (
    ALL,
    GO_BACK,
    PAGE,
    count,
    plain,
    text,
    to_the_minute,
)

Order = Callable[..., Instance]
Login = Callable[[User | None], Browser]


def test_each_good_backup_leads_to_its_restore(
    book: Instance, browser: Browser, actor: Actor
) -> None:
    backup = proven(book)
    coming = backups.request(instance=book, actor=actor)
    for path in (PAGE, ALL):
        page = browser.get(path).content.decode()
        assert f'href="{_restore(backup)}"' in page
        assert _restore(coming) not in page


def test_the_page_says_what_will_happen(book: Instance, browser: Browser) -> None:
    taken_at = timezone.now() - timedelta(hours=6)
    backup = proven(book, taken_at=taken_at, size_bytes=1_234_567)
    page = text(browser, _restore(backup))
    assert to_the_minute(taken_at) in page, "in the client's zone"
    for words in (
        "(6 h ago)",
        f"Guestbook {book.version}",
        "1.2 MB",
        "What was done in book since then is replaced by the data of the backup.",
        "what is there now is saved in a safety backup",
        "Then it is away for some minutes, longer if it holds much data.",
        "Requests wait meanwhile, each for up to 5 minutes.",
        "The data of now is kept for 7 days more. So long, one click on its page goes back to it.",
        "Restore this backup",
    ):
        assert words in page
    assert "The app stays at version" not in page
    assert not Restore.objects.exists()


def test_the_page_fits_the_instance(book: Instance, browser: Browser) -> None:
    backup = proven(book, manifest=manifest(book, version="0.9"))
    page = text(browser, _restore(backup))
    assert "Guestbook 0.9" in page
    assert f"The app stays at version {book.version}." in page
    Instance.objects.update(state="stopped")
    page = text(browser, _restore(backup))
    assert "It is stopped now, and is stopped again afterwards." in page
    assert "Requests wait" not in page


def test_a_restore_is_asked_for_by_a_click(book: Instance, browser: Browser, alice: User) -> None:
    backup = proven(book)
    assert browser.post(_restore(backup))["Location"] == PAGE
    made = Restore.objects.get()
    assert (made.backup, made.operation.instance) == (backup, book)
    assert (made.operation.kind, made.operation.requested_by) == ("restore", alice)
    page = browser.get(PAGE).content.decode()
    assert "Restoring" in plain(page)
    assert "Restored from" not in page
    assert "asked to restore acme/book" in text(browser, "/c/acme/audit/")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"verified_at": None}, "never read back whole"),
        ({"removed_at": timezone.now()}, "has been let go"),
        ({"manifest": {"format": FORMAT + 1, "app": "guestbook"}}, "of a newer Berth"),
        ({"manifest": {"format": FORMAT, "app": "n8n"}}, "of the app n8n, not of guestbook"),
    ],
)
def test_what_can_never_be_put_back_is_not_offered_and_refused(
    changes: dict[str, Any], sentence: str, book: Instance, browser: Browser
) -> None:
    backup = proven(book, **changes)
    before = Operation.objects.count(), AuditEvent.objects.count()
    page = text(browser, _restore(backup))
    assert sentence in page
    assert "Restore this backup" not in page
    refused = browser.post(_restore(backup))
    assert refused.status_code == 409
    assert sentence in plain(refused.content.decode())
    assert before == (Operation.objects.count(), AuditEvent.objects.count())
    assert not Restore.objects.exists()


def test_an_instance_that_is_busy_is_left_alone(
    book: Instance, browser: Browser, actor: Actor, alice: User
) -> None:
    backup = proven(book)
    backups.request(instance=book, actor=Actor.of(alice))
    page = text(browser, _restore(backup))
    assert "Not while it is backing up." in page
    assert "Restore this backup" not in page
    refused = browser.post(_restore(backup))
    assert refused.status_code == 409
    page = plain(refused.content.decode())
    assert "book is busy: “Back up” was asked for by Alice" in page
    assert "Nothing was changed." in page
    assert not Restore.objects.exists()


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_lookers_see_what_was_restored_and_change_nothing(
    role: Role, book: Instance, member: Callable[[Role], User], login: Login
) -> None:
    backup = proven(book)
    restored(book, backup)
    browser = login(member(role))
    page = browser.get(PAGE).content.decode()
    assert "Restored from the backup of" in page
    assert "An owner or an admin can go back to it." in page
    assert _restore(backup) not in page
    assert GO_BACK not in page
    for answer in (
        browser.get(_restore(backup)),
        browser.post(_restore(backup)),
        browser.post(GO_BACK),
    ):
        assert answer.status_code == 403
        assert "you may not restore backups" in answer.content.decode()
    assert not book.operations.filter(state="queued").exists()


def test_an_admin_restores_and_goes_back(
    book: Instance, member: Callable[[Role], User], login: Login
) -> None:
    browser = login(member(Role.ADMIN))
    assert browser.post(_restore(proven(book))).status_code == 302
    assert book.operations.filter(kind="restore", state="queued").exists()
    book.operations.filter(state="queued").update(state="cancelled", finished_at=timezone.now())
    restored(book, proven(book))
    assert browser.post(GO_BACK).status_code == 302
    assert book.operations.filter(kind="revert", state="queued").exists()


def test_nothing_is_restored_at_an_inactive_client(
    book: Instance, acme: Client, browser: Browser
) -> None:
    backup = proven(book)
    restored(book, backup)
    acme.is_active = False
    acme.save()
    page = browser.get(PAGE).content.decode()
    assert "Restored from" in page
    assert _restore(backup) not in page
    assert GO_BACK not in page
    for path in (_restore(backup), GO_BACK):
        assert browser.post(path).status_code == 403


@pytest.mark.parametrize("client", ["acme", "globex"])
def test_someone_elses_backups_are_not_restored(
    client: str, book: Instance, mallory: User, login: Login
) -> None:
    backup = proven(book)
    restored(book, backup)
    browser = login(mallory)
    path = f"/c/{client}/instances/book/backups/{backup.pk}/restore"
    assert browser.get(path).status_code == 404
    assert browser.post(path).status_code == 404
    assert browser.post(f"/c/{client}/instances/book/go-back").status_code == 404
    assert not Operation.objects.filter(state="queued").exists()


def test_only_an_instances_own_backups_are_reached(
    book: Instance, order: Order, browser: Browser
) -> None:
    other = proven(order("other"))
    gone = proven(book)
    Instance.objects.filter(pk=book.pk).update(state="deleted", deleted_at=timezone.now())
    book.hostnames.all().delete()
    assert browser.get(_restore(gone)).status_code == 404
    order("book")
    for backup_id in (other.pk, gone.pk, uuid.uuid4()):
        path = f"{ALL}{backup_id}/restore"
        assert browser.get(path).status_code == 404
        assert browser.post(path).status_code == 404
    assert not Restore.objects.exists()


def test_restoring_and_going_back_need_a_post_with_a_token(book: Instance, alice: User) -> None:
    backup = proven(book)
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.get(GO_BACK).status_code == 405
    for path in (_restore(backup), GO_BACK):
        assert browser.post(path).status_code == 403
    assert not book.operations.filter(state="queued").exists()


@pytest.mark.parametrize("path", [PAGE, ALL, "restore"])
def test_the_number_of_queries_does_not_grow(path: str, book: Instance, browser: Browser) -> None:
    backup = proven(book)
    path = _restore(backup) if path == "restore" else path
    restored(book, backup)
    browser.get(path)  # the session remembers the client once
    one = count(browser, path)
    for _ in range(12):
        restored(book, proven(book))
        taken_back(book, "web does not run")
    assert count(browser, path) == one <= 25


def test_no_page_shows_a_key_or_the_stores_password(book: Instance, browser: Browser) -> None:
    backup = proven(book, secrets='{"KEY": "sesame-of-the-app"}')
    restore = restored(book, backup)
    password = backups.store_of(instance=book).password
    paths = (_restore(backup), PAGE, ALL, f"/c/acme/operations/{restore.operation_id}/")
    for path in (*paths, "/c/acme/audit/"):
        page = browser.get(path).content.decode()
        assert "sesame" not in page
        assert password not in page


def _restore(backup: Backup) -> str:
    return f"{ALL}{backup.pk}/restore"
