"""Restore tests in the admin: looked at, led to, asked for from a backup."""

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

from hosting.models import Backup, Instance, Operation, RestoreTest, Server
from hosting.services.saving import backups, restore_tests
from tenants.models import Client
from tests.hosting.saved import recorded

Order = Callable[..., Instance]
Staff = Callable[[str], Browser]
WorkOff = Callable[[Instance], Operation]
LIST = "admin:hosting_restoretest_changelist"
WHY = "web ended. Its last words: a / b"


@pytest.fixture
def book(order: Order, memory_server: Server, work_off: WorkOff) -> Instance:
    """An instance that has been running for three days."""
    instance = order()
    work_off(instance)
    Instance.objects.update(first_running_at=timezone.now() - timedelta(days=3))
    instance.refresh_from_db()
    return instance


@pytest.fixture
def backup(book: Instance) -> Backup:
    """A proven one of last night."""
    return recorded(book, taken_at=timezone.now() - timedelta(hours=6))


def test_the_list_says_what_came_of_each(root: Browser, backup: Backup) -> None:
    _ended(backup, passed=True)
    _ended(backup, passed=False)
    _ended(backup, passed=False, cancelled=True)
    _begun(backup)
    words = _text(root, reverse(LIST))
    for told in ("Passed", "Failed", "Called off", "Queued", "book", "Acme", "41 s", "6\xa0hours"):
        assert told in words
    assert "web ended." in words
    assert "a / b" not in words


def test_the_list_is_narrowed(root: Browser, backup: Backup) -> None:
    passed, failed = _ended(backup, passed=True), _ended(backup, passed=False)
    off, open_one = _ended(backup, passed=False, cancelled=True), _begun(backup)
    every = {passed, failed, off, open_one}
    wanted = {
        ("result", "passed"): {passed},
        ("result", "failed"): {failed},
        ("result", "called-off"): {off},
        ("result", "open"): {open_one},
        ("result", "nonsense"): every,
        ("backup__instance__client__id__exact", str(backup.instance.client_id)): every,
        ("q", "acme"): every,
        ("q", "book"): every,
        ("q", str(failed.pk)): {failed},
        ("q", open_one.scratch.name): {open_one},
        ("q", "other"): set(),
    }
    for (name, value), found in wanted.items():
        page = root.get(reverse(LIST), {name: value})
        assert set(page.context["cl"].queryset) == found, (name, value)


@pytest.mark.parametrize(
    "field",
    ["backup__secrets", "backup__manifest__definition", "scratch__secrets__value"],
)
def test_nobody_guesses_by_filtering(root: Browser, backup: Backup, field: str) -> None:
    _ended(backup, passed=True)
    assert root.get(reverse(LIST), {f"{field}__startswith": "x"}).status_code == 400


def test_the_page_says_all_that_is_known(root: Browser, backup: Backup) -> None:
    test = _ended(
        backup,
        passed=False,
        checks={"entries": {"wanted": ["5", "7"], "said": "8", "fits": False}},
    )
    html = root.get(_change(test)).content.decode()
    words = _plain(html)
    for told in (
        "The app did not come back from the backup as it was.",
        "web ended.",
        "a b",
        "entries 5 to 7 8",
        "Asked for by Berth (restore-tests)",
        f"Where {test.scratch.name} deleted",
    ):
        assert told in words
    for row in (backup.instance, backup, test.scratch, test.scratch.operations.get()):
        assert f'href="{_change(row)}"' in html
    for given, said in (
        (_ended(backup, passed=True), "came up with the data of the backup"),
        (_ended(backup, passed=False, cancelled=True), "says nothing of the backup"),
        (_begun(backup), "is brought back in an instance of its own"),
    ):
        assert said in _text(root, _change(given))


def test_it_can_only_be_read(root: Browser, backup: Backup) -> None:
    test = _ended(backup, passed=True)
    assert root.post(_change(test), {"passed": ""}).status_code == 403
    delete = reverse("admin:hosting_restoretest_delete", args=[test.pk])
    assert root.post(delete, {"post": "yes"}).status_code == 403
    assert root.get(reverse("admin:hosting_restoretest_add")).status_code == 403


def test_an_instance_and_a_backup_lead_to_their_tests(root: Browser, backup: Backup) -> None:
    pages = (
        (_change(backup.instance), "Latest restore tests"),
        (_change(backup), "Restore tests of it"),
    )
    for page, headline in pages:
        assert headline not in root.get(page).content.decode()
    test = _ended(backup, passed=True)
    for page, headline in pages:
        html = root.get(page).content.decode()
        assert headline in html
        assert f'href="{_change(test)}"' in html


def test_the_newest_backup_is_tested_by_a_click(
    root: Browser, book: Instance, backup: Backup
) -> None:
    old = recorded(book, taken_at=timezone.now() - timedelta(days=2))
    act = _act(backup)
    assert act in root.get(_change(backup)).content.decode()
    assert _act(old) not in root.get(_change(old)).content.decode()
    assert _said(root.post(_act(old))) == [
        "Only the newest proven backup of an instance is tested."
    ]
    assert _said(root.post(act))[-1] == "book: “Restore test” is asked for."
    test = RestoreTest.objects.get()
    assert test.backup == backup
    assert test.scratch.operations.get().requested_by_label == "Root <root@berth.example>"
    assert act not in root.get(_change(backup)).content.decode()
    assert _said(root.post(act))[-1] == "A backup of book is being tested already."
    assert RestoreTest.objects.count() == 1


def test_a_get_begins_no_test(root: Browser, backup: Backup) -> None:
    assert root.get(_act(backup)).status_code == 405
    assert not RestoreTest.objects.exists()


def test_nothing_is_tested_of_an_inactive_client_or_one_that_is_to_go(
    root: Browser, book: Instance, backup: Backup, acme: Client
) -> None:
    Client.objects.filter(pk=acme.pk).update(is_active=False)
    assert _act(backup) not in root.get(_change(backup)).content.decode()
    assert "its client is inactive" in _said(root.post(_act(backup)))[-1]
    Client.objects.filter(pk=acme.pk).update(is_active=True)
    Instance.objects.filter(pk=book.pk).update(delete_requested_at=timezone.now())
    assert _act(backup) not in root.get(_change(backup)).content.decode()
    assert "is deleted" in _said(root.post(_act(backup)))[-1]
    assert not RestoreTest.objects.exists()


def test_a_server_without_room_is_said(root: Browser, backup: Backup) -> None:
    Server.objects.update(availability=Server.Availability.CORDONED)
    [said] = _said(root.post(_act(backup)))
    assert said.startswith("No server ")
    assert not RestoreTest.objects.exists()


@pytest.mark.parametrize(
    ("group", "looks", "tests"),
    [("operations", True, True), ("support", True, True), ("finance", False, False)],
)
def test_a_group_does_only_what_it_may(
    staff: Staff, backup: Backup, group: str, looks: bool, tests: bool
) -> None:
    test = _ended(backup, passed=True)
    browser = staff(group)
    assert browser.get(_change(test)).status_code == (200 if looks else 403)
    instance = browser.get(_change(backup.instance)).content.decode()
    assert ("Latest restore tests" in instance) == looks
    assert browser.post(_act(backup)).status_code == (302 if tests else 403)
    assert RestoreTest.objects.filter(passed=None).exists() == tests


def test_scratch_instances_stand_apart_for_staff_too(root: Browser, backup: Backup) -> None:
    test = _begun(backup)
    listed = reverse("admin:hosting_instance_changelist")
    assert test.scratch.name not in _text(root, listed)
    assert test.scratch.name in _text(root, f"{listed}?purpose=restore_test")
    words = _text(root, _change(test.scratch))
    assert test.scratch.name in words
    client = reverse("admin:tenants_client_change", args=[backup.instance.client_id])
    assert test.scratch.name not in _text(root, client)


def test_many_tests_cost_no_more_queries(root: Browser, backup: Backup) -> None:
    _ended(backup, passed=True)
    pages = (_change(backup.instance), _change(backup))
    for page in pages:
        root.get(page)  # content types are read once and kept
    few = [_count(root, page) for page in pages]
    for passed in (True, False) * 3:
        _ended(backup, passed=passed)
    assert [_count(root, page) for page in pages] == few


def test_no_page_shows_a_key_or_the_stores_password(root: Browser, backup: Backup) -> None:
    test = _ended(backup, passed=True)
    password = backups.store_of(instance=backup.instance).password
    for page in (reverse(LIST), _change(test), _change(test.scratch)):
        html = root.get(page).content.decode()
        assert "the key of then" not in html
        assert password not in html


def _begun(backup: Backup) -> RestoreTest:
    test = restore_tests.request(instance=backup.instance)
    assert test is not None
    return test


def _ended(backup: Backup, *, passed: bool, cancelled: bool = False, **more: Any) -> RestoreTest:
    """As its flow leaves it."""
    now, test = timezone.now(), _begun(backup)
    state = "succeeded" if passed else "cancelled" if cancelled else "failed"
    test.scratch.operations.update(
        state=state,
        reason="" if passed else WHY,
        finished_at=now,
        cancel_requested_at=now if cancelled else None,
    )
    Instance.objects.filter(pk=test.scratch_id).update(state="deleted", deleted_at=now)
    values = {
        "passed": passed,
        "ended_at": now,
        "seconds": 41.2 if passed else None,
        "reason": "" if passed else WHY,
    }
    RestoreTest.objects.filter(pk=test.pk).update(**values, **more)
    return RestoreTest.objects.get(pk=test.pk)


def _change(row: Any) -> str:
    return reverse(f"admin:hosting_{row._meta.model_name}_change", args=[row.pk])


def _act(backup: Backup) -> str:
    return reverse("admin:hosting_backup_test", args=[backup.pk])


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
