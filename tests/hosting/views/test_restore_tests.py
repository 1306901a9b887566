"""What a client reads of tests of its backups, and that it meets nothing else of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hosting.models import Backup, Hostname, Instance, Operation, RestoreTest
from hosting.selectors.overview import overview
from hosting.services.saving import restore_tests
from hosting.services.working import operations
from tenants.models import AuditEvent, User
from tenants.services.actors import Actor
from tests.hosting.saved import recorded
from tests.hosting.views.reading import ALL, AUDIT, PAGE, PART, count, text

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
Login = Callable[[User | None], Browser]


@pytest.fixture
def backup(book: Instance) -> Backup:
    return recorded(book)


@pytest.fixture
def scratch(backup: Backup) -> Instance:
    """Where a backup of the book is just being brought back."""
    return _begun(backup).scratch


def _begun(backup: Backup) -> RestoreTest:
    test = restore_tests.request(instance=backup.instance)
    assert test is not None
    return test


def _ended(backup: Backup, *, passed: bool, **more: Any) -> RestoreTest:
    """As its flow leaves it, six hours ago."""
    now, test = timezone.now(), _begun(backup)
    test.scratch.operations.update(state="succeeded", finished_at=now)
    Instance.objects.filter(pk=test.scratch_id).update(state="deleted", deleted_at=now)
    values = {
        "passed": passed,
        "ended_at": now - timedelta(hours=6),
        "seconds": 41.2 if passed else None,
        "reason": "" if passed else "web does not run. Its last words: sesame",
    }
    RestoreTest.objects.filter(pk=test.pk).update(**{**values, **more})
    return RestoreTest.objects.get(pk=test.pk)


def test_the_proof_says_when_it_was_restored_and_how_long_that_took(
    backup: Backup, browser: Browser
) -> None:
    assert "Restored and checked" not in text(browser)
    seen = browser.get(PAGE).context["fingerprint"]
    _ended(backup, passed=True)
    assert "Restored and checked 6 h ago, took 41 s." in text(browser)
    part = browser.get(f"{PAGE}?seen={seen}", headers=PART)
    assert part.status_code == 200, "it shows on the open page too"
    for path in (PAGE, ALL):
        assert "Restored in 41 s" in text(browser, path)
    RestoreTest.objects.update(seconds=5000)
    assert "took 1 h 23 min." in text(browser)


def test_one_that_failed_is_a_warning_without_what_only_staff_need(
    backup: Backup, browser: Browser
) -> None:
    _ended(backup, passed=False)
    page = text(browser)
    assert "A trial to bring it back failed 6 h ago. Our staff have been told." in page
    assert "Restored and checked" not in page
    for path in (PAGE, ALL):
        assert "Restore test failed" in text(browser, path)
        assert "sesame" not in browser.get(path).content.decode()
    _ended(backup, passed=True, ended_at=timezone.now())
    assert "A trial to bring it back failed" not in text(browser)


def test_one_that_goes_on_or_was_called_off_says_nothing(backup: Backup, browser: Browser) -> None:
    _ended(backup, passed=True)
    off = _ended(backup, passed=False, ended_at=timezone.now())
    off.scratch.operations.update(
        state="cancelled", cancel_requested_at=timezone.now(), reason="It was called off."
    )
    _begun(backup)
    for path in (PAGE, ALL):
        assert "Restore test failed" not in text(browser, path)
    assert "Restored and checked 6 h ago, took 41 s." in text(browser)


def test_a_test_of_another_backup_is_not_told_beside_this_one(
    book: Instance, backup: Backup, browser: Browser
) -> None:
    _ended(backup, passed=True)
    recorded(book, taken_at=timezone.now() + timedelta(minutes=1))
    assert text(browser, ALL).count("Restored in 41 s") == 1


def test_no_address_of_a_clients_leads_to_a_scratch_instance(
    scratch: Instance, backup: Backup, browser: Browser
) -> None:
    page = f"/c/acme/instances/{scratch.name}/"
    operation = scratch.operations.get()
    for path in (
        page,
        f"{page}backups/",
        f"{page}backups/{backup.pk}/restore",
        f"{page}backups/{backup.pk}/download",
        f"/c/acme/operations/{operation.pk}/",
    ):
        assert browser.get(path).status_code == 404, path
    for path in (
        *(f"{page}{verb}" for verb in ("start", "stop", "restart", "retry", "backup", "go-back")),
        f"{page}backups/{backup.pk}/restore",
        f"{page}backups/{backup.pk}/clone",
        f"/c/acme/operations/{operation.pk}/cancel",
    ):
        assert browser.post(path, {"name": "x", "plan": "small"}).status_code == 404, path
    typed = browser.post(f"{page}delete", {"confirmation": scratch.name})
    assert typed.status_code == 404
    operation.refresh_from_db()
    assert operation.cancel_requested_at is None
    assert scratch.operations.count() == 1


def test_one_that_is_gone_has_no_page_either(backup: Backup, browser: Browser) -> None:
    gone = _ended(backup, passed=True).scratch
    assert browser.get(f"/c/acme/instances/{gone.name}/").status_code == 404
    operation = gone.operations.get()
    assert browser.get(f"/c/acme/operations/{operation.pk}/").status_code == 404


def test_no_page_of_a_clients_names_it(
    book: Instance, backup: Backup, browser: Browser, actor: Actor, work_off: WorkOff
) -> None:
    listed = text(browser, "/c/acme/")
    logged = AuditEvent.objects.filter(client_id=book.client_id).count()
    scratch = _begun(backup).scratch
    assert text(browser, "/c/acme/") == listed, "not even as a number"
    operations.cancel(operation_id=scratch.operations.get().pk, actor=actor)
    assert work_off(scratch).state == Operation.State.CANCELLED
    narrowed = f"{AUDIT}?instance={scratch.pk}"
    for path in ("/c/acme/", PAGE, ALL, AUDIT, narrowed, f"{AUDIT}?q=test"):
        page = browser.get(path).content.decode()
        assert scratch.name not in page, path
        assert str(scratch.pk) not in page, path
    assert AuditEvent.objects.filter(client_id=book.client_id).count() == logged
    told = AuditEvent.objects.filter(object_id=str(scratch.pk), client_id=None)
    assert {each.action for each in told} == {
        "instance.restore_test_requested",
        "operation.cancel_requested",
        "operation.cancelled",
    }


def test_it_counts_nowhere(scratch: Instance) -> None:
    states = dict(overview(now=timezone.now()).states)
    assert (states["running"], states["new"]) == (1, 0)
    assert not Hostname.objects.filter(instance=scratch).exists()


def test_someone_elses_test_is_as_unknown(scratch: Instance, mallory: User, login: Login) -> None:
    browser = login(mallory)
    for client in ("acme", "globex"):
        assert browser.get(f"/c/{client}/instances/{scratch.name}/").status_code == 404
        path = f"/c/{client}/operations/{scratch.operations.get().pk}/"
        assert browser.get(path).status_code == 404
        assert browser.post(f"{path}cancel").status_code == 404
    assert browser.get(f"/c/globex/operations/{uuid.uuid4()}/").status_code == 404


@pytest.mark.parametrize("path", [PAGE, ALL])
def test_the_number_of_queries_does_not_grow(
    path: str, book: Instance, backup: Backup, browser: Browser
) -> None:
    _ended(backup, passed=True)
    browser.get(path)  # the session remembers the client once
    one = count(browser, path)
    for number in range(6):
        recorded(book, taken_at=timezone.now() + timedelta(minutes=number))
        _ended(backup, passed=number % 2 == 0)
    assert count(browser, path) == one <= 26


def test_the_list_costs_the_same_with_scratch_instances_and_clones(
    backup: Backup, browser: Browser
) -> None:
    browser.get("/c/acme/")
    one = count(browser, "/c/acme/")
    for number in range(3):
        _begun(backup)
        sent = {"name": f"copy-{number}", "plan": backup.instance.plan.slug}
        clone = f"{PAGE}backups/{backup.pk}/clone"
        assert browser.post(clone, sent).status_code == 302
    with_one_busy = count(browser, "/c/acme/")
    for number in range(3, 6):
        _begun(backup)
        sent = {"name": f"copy-{number}", "plan": backup.instance.plan.slug}
        assert browser.post(clone, sent).status_code == 302
    assert count(browser, "/c/acme/") == with_one_busy
    assert one <= with_one_busy <= one + 2
