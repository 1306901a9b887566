"""What a client reads before and after a restore, asks for, and goes back to."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hosting.flows import runner
from hosting.models import Backup, Incident, Instance, Operation, OperationStep, Restore
from hosting.models.backup import FORMAT
from hosting.services import backups, incidents
from tenants.models import AuditEvent, Client, Role, User
from tenants.services.actors import Actor

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
Login = Callable[[User | None], Browser]
PAGE = "/c/acme/instances/book/"
ALL = f"{PAGE}backups/"
GO_BACK = f"{PAGE}go-back"
PART = {"HX-Request": "true", "HX-Target": "live"}
AS_BEFORE = "Everything is as it was before."


@pytest.fixture
def book(order: Order, work_off: WorkOff) -> Instance:
    """An instance that has been running for ten days."""
    instance = order()
    work_off(instance)
    Instance.objects.update(first_running_at=timezone.now() - timedelta(days=10))
    instance.refresh_from_db()
    return instance


def test_each_good_backup_leads_to_its_restore(
    book: Instance, browser: Browser, actor: Actor
) -> None:
    backup = _proven(book)
    coming = backups.request(instance=book, actor=actor)
    for path in (PAGE, ALL):
        page = browser.get(path).content.decode()
        assert f'href="{_restore(backup)}"' in page
        assert _restore(coming) not in page


def test_the_page_says_what_will_happen(book: Instance, browser: Browser) -> None:
    taken_at = timezone.now() - timedelta(hours=6)
    backup = _proven(book, taken_at=taken_at, size_bytes=1_234_567)
    page = _text(browser, _restore(backup))
    assert _to_the_minute(taken_at) in page, "in the client's zone"
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
    backup = _proven(book, manifest=_manifest(book, version="0.9"))
    page = _text(browser, _restore(backup))
    assert "Guestbook 0.9" in page
    assert f"The app stays at version {book.version}." in page
    Instance.objects.update(state="stopped")
    page = _text(browser, _restore(backup))
    assert "It is stopped now, and is stopped again afterwards." in page
    assert "Requests wait" not in page


def test_a_restore_is_asked_for_by_a_click(book: Instance, browser: Browser, alice: User) -> None:
    backup = _proven(book)
    assert browser.post(_restore(backup))["Location"] == PAGE
    made = Restore.objects.get()
    assert (made.backup, made.operation.instance) == (backup, book)
    assert (made.operation.kind, made.operation.requested_by) == ("restore", alice)
    page = browser.get(PAGE).content.decode()
    assert "Restoring" in _plain(page)
    assert "Restored from" not in page
    assert "asked to restore acme/book" in _text(browser, "/c/acme/audit/")


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
    backup = _proven(book, **changes)
    before = Operation.objects.count(), AuditEvent.objects.count()
    page = _text(browser, _restore(backup))
    assert sentence in page
    assert "Restore this backup" not in page
    refused = browser.post(_restore(backup))
    assert refused.status_code == 409
    assert sentence in _plain(refused.content.decode())
    assert before == (Operation.objects.count(), AuditEvent.objects.count())
    assert not Restore.objects.exists()


def test_an_instance_that_is_busy_is_left_alone(
    book: Instance, browser: Browser, actor: Actor, alice: User
) -> None:
    backup = _proven(book)
    backups.request(instance=book, actor=Actor.of(alice))
    page = _text(browser, _restore(backup))
    assert "Not while it is backing up." in page
    assert "Restore this backup" not in page
    refused = browser.post(_restore(backup))
    assert refused.status_code == 409
    page = _plain(refused.content.decode())
    assert "book is busy: “Back up” was asked for by Alice" in page
    assert "Nothing was changed." in page
    assert not Restore.objects.exists()


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_lookers_see_what_was_restored_and_change_nothing(
    role: Role, book: Instance, member: Callable[[Role], User], login: Login
) -> None:
    backup = _proven(book)
    _restored(book, backup)
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
    assert browser.post(_restore(_proven(book))).status_code == 302
    assert book.operations.filter(kind="restore", state="queued").exists()
    book.operations.filter(state="queued").update(state="cancelled", finished_at=timezone.now())
    _restored(book, _proven(book))
    assert browser.post(GO_BACK).status_code == 302
    assert book.operations.filter(kind="revert", state="queued").exists()


def test_nothing_is_restored_at_an_inactive_client(
    book: Instance, acme: Client, browser: Browser
) -> None:
    backup = _proven(book)
    _restored(book, backup)
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
    backup = _proven(book)
    _restored(book, backup)
    browser = login(mallory)
    path = f"/c/{client}/instances/book/backups/{backup.pk}/restore"
    assert browser.get(path).status_code == 404
    assert browser.post(path).status_code == 404
    assert browser.post(f"/c/{client}/instances/book/go-back").status_code == 404
    assert not Operation.objects.filter(state="queued").exists()


def test_only_an_instances_own_backups_are_reached(
    book: Instance, order: Order, browser: Browser
) -> None:
    other = _proven(order("other"))
    gone = _proven(book)
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
    backup = _proven(book)
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.get(GO_BACK).status_code == 405
    for path in (_restore(backup), GO_BACK):
        assert browser.post(path).status_code == 403
    assert not book.operations.filter(state="queued").exists()


def test_a_restored_instance_says_so_while_there_is_a_way_back(
    book: Instance, browser: Browser
) -> None:
    backup = _proven(book, taken_at=timezone.now() - timedelta(hours=6))
    restore = _restored(book, backup, seconds=41.2)
    assert backup.taken_at is not None
    assert restore.kept_until is not None
    page = browser.get(PAGE)
    words = _plain(page.content.decode())
    assert f"Restored from the backup of {_to_the_minute(backup.taken_at)}" in words
    assert "(it was away for 41 s)" in words
    assert f"The data of before is kept until {_to_the_minute(restore.kept_until)}." in words
    assert f'hx-post="{GO_BACK}"' in page.content.decode()
    Restore.objects.update(kept_until=timezone.now())
    part = browser.get(f"{PAGE}?seen={page.context['fingerprint']}", headers=PART)
    assert part.status_code == 200, "it changes on the open page too"
    assert "Restored from" not in part.content.decode()
    Restore.objects.update(kept_until=restore.kept_until, undone_at=timezone.now())
    assert "Restored from" not in _text(browser)


def test_one_click_goes_back(book: Instance, browser: Browser, alice: User) -> None:
    _restored(book, _proven(book))
    part = browser.post(GO_BACK, headers=PART).content.decode()
    assert part.lstrip().startswith('<div id="live"')
    assert "Going back" in _plain(part)
    assert 'disabled title="Not while it is going back."' in part
    restore = Restore.objects.get()
    assert restore.reverted_by is not None
    assert (restore.reverted_by.kind, restore.reverted_by.requested_by) == ("revert", alice)
    said = _plain(browser.post(GO_BACK, headers=PART).content.decode())
    assert "book is busy: “Go back” was asked for by Alice" in said
    assert "asked to take back the restore of acme/book" in _text(browser, "/c/acme/audit/")


def test_without_data_of_before_nothing_goes_back(book: Instance, browser: Browser) -> None:
    said = _plain(browser.post(GO_BACK, headers=PART).content.decode())
    assert "book has no data of before a restore to go back to." in said
    assert not book.operations.filter(kind="revert").exists()


def test_a_restore_that_was_taken_back_says_why_in_the_history(
    book: Instance, browser: Browser
) -> None:
    operation = _taken_back(book, "web does not run. Its last words: ready / bye")
    page = _text(browser)
    assert f"Restore Web does not run. {AS_BEFORE}" in page
    assert "Restored from" not in page
    assert "bye" not in page
    page = browser.get(f"/c/acme/operations/{operation.pk}/").content.decode()
    there, _, back = page.partition("<h2>Taking back</h2>")
    assert "Stop the services" in there
    assert "Start the services as before" not in there
    assert "Publish the address" not in there, "it never comes to that any more"
    assert "Start the services as before" in back


def test_what_was_called_off_says_that_all_is_as_before(book: Instance, browser: Browser) -> None:
    operation = _taken_back(book, "“Restore” was called off.")
    Operation.objects.filter(pk=operation.pk).update(state="cancelled")
    assert f"“Restore” was called off. {AS_BEFORE}" in _text(browser)


def test_a_restore_that_touched_nothing_says_why(book: Instance, browser: Browser) -> None:
    _operation(book, "restore", "failed", reason="the key secret_key of book is not the one")
    assert "Restore The key secret_key of book is not the one" in _text(browser)


def test_taking_back_is_shown_as_it_goes(book: Instance, browser: Browser) -> None:
    operation = _taken_back(book, "web does not run")
    operation.steps.filter(name="undo-start").update(state="running", started_at=timezone.now())
    Operation.objects.filter(pk=operation.pk).update(
        state="running",
        reason="",
        finished_at=None,
        lease_expires_at=timezone.now() + timedelta(minutes=1),
    )
    page = browser.get(PAGE)
    words = _plain(page.content.decode())
    for told in ("Taking back: restore", "Step 2 of 2: Start the services as before"):
        assert told in words
    assert "Taking back web does not run" in words, "the headline, and why"
    assert 'id="cancel"' not in page.content.decode()
    operation.steps.filter(name="undo-start").update(output="starting web\n")
    seen = f"{PAGE}?seen={page.context['fingerprint']}"
    assert "starting web" in browser.get(seen, headers=PART).content.decode()


@pytest.mark.parametrize(("is_way_back", "what"), [(False, "restore"), (True, "way back")])
def test_an_app_that_did_not_come_back_is_a_warning_until_it_is_well(
    is_way_back: bool, what: str, book: Instance, browser: Browser
) -> None:
    operation = _operation(book, "revert" if is_way_back else "restore", "failed", reason="x")
    backup = _proven(book)
    restore = _restored(book, backup, trouble="web ended. Its last words: a / b")
    if is_way_back:
        Restore.objects.update(reverted_by=operation)
    else:
        Restore.objects.update(operation=operation, kept_until=None)
    warning = f"The {what} failed, and the app did not come up again."
    assert warning not in _text(browser), "it is well"
    incidents.open_for(kind=Incident.Kind.INSTANCE_DEGRADED, instance=book, summary="web ended")
    Instance.objects.update(state="degraded", state_reason="web ended")
    page = browser.get(PAGE).content.decode()
    words = f"{warning} Its data is as it was before. Web ended."
    assert words in _plain(page)
    assert f"/c/acme/operations/{operation.pk}/" in page
    assert ("Restored from" in page) == is_way_back
    incidents.close(kind=Incident.Kind.INSTANCE_DEGRADED, instance=book)
    assert warning not in _text(browser), "this time it is another trouble"
    assert restore.trouble


@pytest.mark.parametrize("path", [PAGE, ALL, "restore"])
def test_the_number_of_queries_does_not_grow(path: str, book: Instance, browser: Browser) -> None:
    backup = _proven(book)
    path = _restore(backup) if path == "restore" else path
    _restored(book, backup)
    browser.get(path)  # the session remembers the client once
    one = _count(browser, path)
    for _ in range(12):
        _restored(book, _proven(book))
        _taken_back(book, "web does not run")
    assert _count(browser, path) == one <= 25


def test_no_page_shows_a_key_or_the_stores_password(book: Instance, browser: Browser) -> None:
    backup = _proven(book, secrets='{"KEY": "sesame-of-the-app"}')
    restore = _restored(book, backup)
    password = backups.store_of(instance=book).password
    paths = (_restore(backup), PAGE, ALL, f"/c/acme/operations/{restore.operation_id}/")
    for path in (*paths, "/c/acme/audit/"):
        page = browser.get(path).content.decode()
        assert "sesame" not in page
        assert password not in page


def test_the_steps_that_take_back_are_known_by_their_names() -> None:
    for flow in runner.FLOWS.values():
        assert all(OperationStep(name=each.name).takes_back for each in flow.undo)
        assert not any(OperationStep(name=each.name).takes_back for each in flow.steps)


def _manifest(instance: Instance, **changes: Any) -> dict[str, Any]:
    values = {"format": FORMAT, "app": instance.app, "version": instance.version}
    return {**values, "parts": [], "checks": {}, **changes}


def _proven(instance: Instance, **more: Any) -> Backup:
    """A nightly backup that was read back at once."""
    at = more.get("taken_at", timezone.now())
    values = {
        "trigger": "nightly",
        "created_at": at,
        "taken_at": at,
        "verified_at": at,
        "manifest": _manifest(instance),
        "operation": _operation(instance, "backup", "succeeded"),
    }
    return Backup.objects.create(instance=instance, **{**values, **more})


def _restored(instance: Instance, backup: Backup, **more: Any) -> Restore:
    """The instance runs on the data of the backup, and there is a way back for a week."""
    values = {
        "operation": _operation(instance, "restore", "succeeded"),
        "from_generation": instance.generation,
        "to_generation": instance.generation + 1,
        "kept_until": timezone.now() + timedelta(days=7),
    }
    instance.generation += 1
    Instance.objects.filter(pk=instance.pk).update(generation=instance.generation)
    return Restore.objects.create(backup=backup, **{**values, **more})


def _taken_back(instance: Instance, why: str) -> Operation:
    """A restore that failed half-way for that reason."""
    reason = f"{why.rstrip('.')}. {AS_BEFORE}"
    operation = _operation(instance, "restore", "failed", reason=reason, undoing=why)
    steps = (
        ("stop", "Stop the services", "done"),
        ("start", "Start the services", "failed"),
        ("publish", "Publish the address", "pending"),
        ("undo-stop", "Stop the services", "done"),
        ("undo-start", "Start the services as before", "done"),
    )
    for position, (name, title, state) in enumerate(steps):
        operation.steps.create(position=position, name=name, title=title, state=state)
    return operation


def _operation(instance: Instance, kind: str, state: str, **more: Any) -> Operation:
    now = timezone.now()
    values = {"requested_by_label": "Alice", "requested_at": now, "finished_at": now}
    return Operation.objects.create(instance=instance, kind=kind, state=state, **{**values, **more})


def _restore(backup: Backup) -> str:
    return f"{ALL}{backup.pk}/restore"


def _count(browser: Browser, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(path).status_code == 200
    return len(queries)


def _text(browser: Browser, path: str = PAGE) -> str:
    return _plain(browser.get(path).content.decode())


def _plain(page: str) -> str:
    """What is read on it: without tags, in single spaces."""
    words = re.sub(r"<[^>]+>", "", page).replace("&#x27;", "'")
    return " ".join(words.split())


def _to_the_minute(at: datetime) -> str:
    local = at.astimezone(ZoneInfo("Europe/Berlin"))
    return f"{local.day} {local:%b %Y, %H:%M}"
