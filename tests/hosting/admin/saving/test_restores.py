"""Restores in the admin: looked at, asked for from a backup, taken back from an instance."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from hosting.models import Backup, Instance, Operation, Restore, Server
from hosting.models.backup import FORMAT
from hosting.services.saving import backups
from tenants.models import AuditEvent, Client

Order = Callable[..., Instance]
Staff = Callable[[str], Browser]
WorkOff = Callable[[Instance], Operation]
LIST = "admin:hosting_restore_changelist"


@pytest.fixture
def book(order: Order, memory_server: Server, work_off: WorkOff) -> Instance:
    """An instance that has been running for three days."""
    instance = order()
    work_off(instance)
    Instance.objects.update(first_running_at=timezone.now() - timedelta(days=3))
    instance.refresh_from_db()
    return instance


def test_the_list_says_what_became_of_each(root: Browser, book: Instance) -> None:
    _restored(book, seconds=41.2)
    words = _text(root, reverse(LIST))
    for told in ("Succeeded", "book", "Acme", "1 → 2", "41 s", "6\xa0days"):
        assert told in words
    Restore.objects.update(trouble="web ended. Its last words: a / b")
    words = _text(root, reverse(LIST))
    assert "Did not come back" in words
    assert "web ended." in words
    assert "a / b" not in words
    Restore.objects.update(undone_at=timezone.now())
    assert "Gone back" in _text(root, reverse(LIST))


def test_the_list_is_narrowed(root: Browser, book: Instance) -> None:
    restore = _restored(book)
    wanted = {
        ("operation__state__exact", "succeeded"): {restore},
        ("operation__state__exact", "failed"): set(),
        ("q", "acme"): {restore},
        ("q", "book"): {restore},
        ("q", str(restore.pk)): {restore},
        ("q", "other"): set(),
    }
    for (name, value), found in wanted.items():
        page = root.get(reverse(LIST), {name: value})
        assert set(page.context["cl"].queryset) == found, (name, value)


@pytest.mark.parametrize("field", ["secrets", "manifest__definition", "instance__secrets__value"])
def test_nobody_guesses_by_filtering(root: Browser, book: Instance, field: str) -> None:
    _restored(book)
    for first in ("backup", "safety"):
        lookup = {f"{first}__{field}__startswith": "x"}
        assert root.get(reverse(LIST), lookup).status_code == 400


def test_the_page_says_all_that_is_known(root: Browser, book: Instance) -> None:
    checks = {
        "entries": {"wanted": ["5", "7"], "said": "6", "fits": True},
        "users": {"wanted": ["2", "2"], "said": "3", "fits": False},
    }
    safety = _proven(book, trigger="safety")
    restore = _restored(book, checks=checks, seconds=41.2, safety=safety)
    going_back = _operation(book, "revert", "failed", reason="It was called off.")
    restore.reverted_by = going_back
    restore.trouble = "web ended. Its last words: a / b"
    restore.save()
    html = root.get(_change(restore)).content.decode()
    words = _plain(html)
    for told in (
        "The instance was switched to the data of the backup.",
        "The app did not come up again: web ended.",
        "1 → 2",
        "41 s",
        "entries 5 to 7 6",
        "users 2 3",
        "Asked for by Berth (test)",
    ):
        assert told in words
    for row in (book, restore.backup, safety, restore.operation, going_back):
        assert f'href="{_change(row)}"' in html


def test_it_can_only_be_read(root: Browser, book: Instance) -> None:
    restore = _restored(book)
    assert root.post(_change(restore), {"trouble": "x"}).status_code == 403
    delete = reverse("admin:hosting_restore_delete", args=[restore.pk])
    assert root.post(delete, {"post": "yes"}).status_code == 403
    assert root.get(reverse("admin:hosting_restore_add")).status_code == 403


def test_an_instance_and_a_backup_lead_to_their_restores(root: Browser, book: Instance) -> None:
    backup = _proven(book)
    for page in (_change(book), _change(backup)):
        html = root.get(page).content.decode()
        assert "Latest restores" not in html
        assert "Restores of it" not in html
    restore = _restored(book, backup)
    for page, headline in ((_change(book), "Latest restores"), (_change(backup), "Restores of it")):
        html = root.get(page).content.decode()
        assert headline in html
        assert f'href="{_change(restore)}"' in html


def test_a_backup_is_restored_after_a_question(root: Browser, book: Instance) -> None:
    backup = _proven(book)
    act = _act(backup)
    assert act in root.get(_change(backup)).content.decode()
    words = _text(root, act)
    assert "Restore book of Acme?" in words
    assert "its data stays on the server for 7 days" in words
    assert not Restore.objects.exists()
    answer = root.post(act)
    made = Restore.objects.get()
    assert (made.backup, made.operation.instance) == (backup, book)
    assert answer.headers["Location"] == _change(made.operation)
    assert "book: “Restore” is asked for." in _said(answer)
    event = AuditEvent.objects.get(action="instance.restore_requested")
    assert event.actor_label == "Root <root@berth.example>"


def test_staff_choose_the_place_where_there_are_two(
    root: Browser, book: Instance, settings: Settings
) -> None:
    backup = _proven(book, copied_at=timezone.now(), copied_to="/somewhere/else")
    assert "The second place" not in _text(root, _act(backup))
    answer = root.post(_act(backup), {"place": "second"})
    assert "No second place for backups is configured here." in _said(answer)
    settings.BERTH_BACKUP_COPY = "/somewhere/else"
    elsewhere = _proven(book)
    assert "The second place" not in _text(root, _act(elsewhere))
    answer = root.post(_act(elsewhere), {"place": "second"})
    assert "This backup was not copied to the second place." in _said(answer)
    assert "The second place" in _text(root, _act(backup))
    answer = root.post(_act(backup), {"place": "third"})
    assert (answer.status_code, Restore.objects.exists()) == (422, False)
    assert "Choose one of these places." in answer.content.decode()
    root.post(_act(backup), {"place": "second"})
    restore = Restore.objects.get()
    assert restore.is_from_copy
    assert "Read from The second place" in _text(root, _change(restore))


def test_what_does_not_fit_is_refused_in_words(root: Browser, book: Instance, acme: Client) -> None:
    newer = _proven(book, manifest={"format": FORMAT + 1, "app": "guestbook", "version": "9"})
    gone = _proven(book, removed_at=timezone.now())
    good = _proven(book)
    assert _act(gone) not in root.get(_change(gone)).content.decode()
    assert "of a newer Berth" in _said(root.post(_act(newer)))[-1]
    assert "has been let go" in _said(root.post(_act(gone)))[-1]
    assert root.post(_act(good)).status_code == 302
    assert "book is busy: “Restore”" in _said(root.post(_act(good)))[-1]
    acme.is_active = False
    acme.save()
    assert "Acme is inactive" in _said(root.post(_act(good)))[-1]
    assert Restore.objects.count() == 1


def test_an_instance_goes_back_while_it_can(root: Browser, book: Instance) -> None:
    act = reverse("admin:hosting_instance_act", args=[book.pk, "revert"])
    assert act not in root.get(_change(book)).content.decode()
    assert "has no data of before a change" in _said(root.post(act))[-1]
    restore = _restored(book)
    assert act in root.get(_change(book)).content.decode()
    assert "It goes back to what it was before its last restore or upgrade" in _text(root, act)
    assert not book.operations.filter(kind="revert").exists()
    answer = root.post(act)
    restore.refresh_from_db()
    assert restore.reverted_by is not None
    assert answer.headers["Location"] == _change(restore.reverted_by)


@pytest.mark.parametrize(
    ("group", "looks", "restores"),
    [("operations", True, True), ("support", True, False), ("finance", False, False)],
)
def test_a_group_does_only_what_it_may(
    staff: Staff, book: Instance, group: str, looks: bool, restores: bool
) -> None:
    restore = _restored(book)
    browser = staff(group)
    go_back = reverse("admin:hosting_instance_act", args=[book.pk, "revert"])
    assert browser.get(_change(restore)).status_code == (200 if looks else 403)
    instance = browser.get(_change(book)).content.decode()
    assert ("Latest restores" in instance) == looks
    assert (go_back in instance) == restores
    if looks:
        backup = browser.get(_change(restore.backup)).content.decode()
        assert (_act(restore.backup) in backup) == restores
    assert browser.get(_act(restore.backup)).status_code == (200 if restores else 403)
    for act in (go_back, _act(restore.backup)):
        assert browser.post(act).status_code == (302 if restores else 403)
    assert book.operations.filter(state="queued").exists() == restores


def test_what_is_taken_back_has_its_own_steps_and_is_not_called_off(
    root: Browser, book: Instance
) -> None:
    operation = _operation(
        book,
        "restore",
        "running",
        undoing="web does not run",
        finished_at=None,
        lease_expires_at=timezone.now() + timedelta(minutes=1),
        started_at=timezone.now(),
    )
    steps = (
        ("start", "Start the services", "failed"),
        ("publish", "Publish the address", "pending"),
        ("undo-stop", "Stop the services", "done"),
        ("undo-start", "Start the services as before", "running"),
    )
    for position, (name, title, state) in enumerate(steps):
        operation.steps.create(position=position, name=name, title=title, state=state)
    html = root.get(_change(operation)).content.decode()
    words = _plain(html)
    assert "Being taken back" in words
    assert "1 of 2 steps" in words
    there, _, back = html.partition("Taking back</h2>")
    assert "Publish the address" not in html, "it never comes to that any more"
    assert "web does not run" in back
    assert "Start the services as before" in back
    assert "Start the services as before" not in there
    assert reverse("admin:hosting_operation_cancel", args=[operation.pk]) not in html
    listed = _text(root, reverse("admin:hosting_operation_changelist"))
    assert "Start the services as before" in listed, "what it is doing now"


def test_many_restores_cost_no_more_queries(root: Browser, book: Instance) -> None:
    backup = _proven(book)
    _restored(book, backup)
    pages = (_change(book), _change(backup))
    for page in pages:
        root.get(page)  # content types are read once and kept
    few = [_count(root, page) for page in pages]
    for _ in range(6):
        _restored(book, backup)
    assert [_count(root, page) for page in pages] == few


def test_no_page_shows_a_key_or_the_stores_password(root: Browser, book: Instance) -> None:
    backup = _proven(book, secrets='{"KEY": "sesame-of-the-app"}')
    restore = _restored(book, backup)
    password = backups.store_of(instance=book).password
    for page in (reverse(LIST), _change(restore), _change(book), _change(backup), _act(backup)):
        html = root.get(page).content.decode()
        assert "sesame" not in html
        assert password not in html


def _proven(instance: Instance, **more: Any) -> Backup:
    at = timezone.now() - timedelta(hours=6)
    values = {
        "trigger": "nightly",
        "created_at": at,
        "taken_at": at,
        "verified_at": at,
        "manifest": {"format": FORMAT, "app": "guestbook", "version": "2", "checks": {}},
        "size_bytes": 10**6,
    }
    return Backup.objects.create(instance=instance, **{**values, **more})


def _restored(instance: Instance, backup: Backup | None = None, **more: Any) -> Restore:
    """The instance runs on the data of the backup, and there is a way back for a week."""
    values = {
        "operation": _operation(instance, "restore", "succeeded"),
        "from_generation": instance.generation,
        "to_generation": instance.generation + 1,
        "kept_until": timezone.now() + timedelta(days=7),
    }
    instance.generation += 1
    Instance.objects.filter(pk=instance.pk).update(generation=instance.generation)
    return Restore.objects.create(backup=backup or _proven(instance), **{**values, **more})


def _operation(instance: Instance, kind: str, state: str, **more: Any) -> Operation:
    now = timezone.now()
    values = {"requested_by_label": "Berth (test)", "requested_at": now, "finished_at": now}
    return Operation.objects.create(instance=instance, kind=kind, state=state, **{**values, **more})


def _change(row: Any) -> str:
    return reverse(f"admin:hosting_{row._meta.model_name}_change", args=[row.pk])


def _act(backup: Backup) -> str:
    return reverse("admin:hosting_backup_restore", args=[backup.pk])


def _text(browser: Browser, path: str) -> str:
    return _plain(browser.get(path).content.decode())


def _plain(page: str) -> str:
    """What is read on it: without tags, in single spaces but those that never break."""
    words = re.sub(r"<[^>]+>", " ", page)
    return " ".join(re.split(r"[ \n]+", words))


def _count(browser: Browser, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(url).status_code == 200
    return len(captured)


def _said(response: Any) -> list[str]:
    return [str(each) for each in get_messages(response.wsgi_request)]
