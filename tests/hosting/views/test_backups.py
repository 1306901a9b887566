"""What a client reads of its backups, makes, keeps and lets go."""

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

from hosting.models import Backup, Incident, Instance, Operation
from hosting.services import backups, incidents
from hosting.views.backups import PAGE as A_PAGE
from hosting.views.presentation import CALLED, DOING
from hosting.views.words import in_words
from tenants.models import AuditEvent, Client, Role, User

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
Login = Callable[[User | None], Browser]
PAGE = "/c/acme/instances/book/"
ALL = f"{PAGE}backups/"
PART = {"HX-Request": "true", "HX-Target": "live"}
VERBS = ("keep", "let-go")
MB = 10**6


@pytest.fixture
def book(order: Order, work_off: WorkOff) -> Instance:
    """An instance that has been running for ten days."""
    instance = order()
    work_off(instance)
    Instance.objects.update(first_running_at=timezone.now() - timedelta(days=10))
    instance.refresh_from_db()
    return instance


def test_an_instance_that_never_ran_says_when_the_first_is_made(
    order: Order, browser: Browser
) -> None:
    order()
    page = _text(browser)
    assert "No proven backup yet; the first is made in the night after it first runs." in page
    assert "Back up now" not in page


def test_one_that_began_to_run_today_says_when_tonight(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    instance = order()
    work_off(instance)
    at = backups.next_at(instance=instance, now=timezone.now())
    assert at is not None
    told = f"the first is made tonight at about {_berlin(at):%H:%M}."
    assert told in _text(browser)
    assert at > timezone.now()


def test_one_that_was_missed_is_made_as_soon_as_possible(book: Instance, browser: Browser) -> None:
    told = "No proven backup yet; one is made as soon as nothing else is going on."
    assert told in _text(browser)


def test_a_proven_backup_says_since_when_and_how_large(book: Instance, browser: Browser) -> None:
    taken_at = timezone.now() - timedelta(hours=6)
    _proven(book, taken_at, size_bytes=1_234_567, stored_bytes=98_300)
    page = _text(browser)
    assert "Proven 6 h ago: all of it was read back, 1.2 MB." in page
    assert f"{_berlin(taken_at):%d %b %Y, %H:%M}".lstrip("0") in page, "in the client's zone"
    for words in ("Nightly", "1.2 MB", "98.3 kB", "By plan"):
        assert words in page
    assert "attempt" not in page


def test_a_failed_backup_says_why_and_when_it_is_tried_again(
    book: Instance, browser: Browser
) -> None:
    asked_at = timezone.now() - timedelta(minutes=20)
    failed = _failed(book, asked_at)
    page = _text(browser)
    assert "The last attempt failed (20 min ago). The place is full." in page
    assert f"Berth tries again by itself at {_berlin(asked_at + timedelta(hours=1)):%H:%M}." in page
    assert f"/c/acme/operations/{failed.operation_id}/" in browser.get(PAGE).content.decode()
    ended_at = asked_at - timedelta(hours=2)
    Operation.objects.filter(backup=failed).update(finished_at=ended_at)
    assert "Berth tries again by itself in a moment." in _text(browser)


def test_a_failure_is_told_beside_what_is_proven_and_forgotten_after_a_success(
    book: Instance, browser: Browser
) -> None:
    now = timezone.now()
    _proven(book, now - timedelta(hours=20))
    _failed(book, now - timedelta(hours=2))
    page = _text(browser)
    assert "Proven 20 h ago" in page
    assert "The last attempt failed" in page
    _proven(book, now - timedelta(minutes=30))
    assert "The last attempt failed" not in _text(browser)


def test_what_was_done_is_not_filled_with_backups_that_went_well(
    book: Instance, browser: Browser
) -> None:
    now = timezone.now()
    for days in range(1, 12):
        _proven(book, now + timedelta(days=days))
    _failed(book, now)
    done = _text(browser).partition("What was done")[2]
    assert "Set up" in done
    assert done.count("Back up") == 1


def test_one_that_was_called_off_is_no_failure(book: Instance, browser: Browser) -> None:
    _failed(book, timezone.now())
    Operation.objects.filter(kind="backup").update(state="cancelled")
    assert "The last attempt failed" not in _text(browser)


@pytest.mark.parametrize(
    ("kind", "is_proven", "words"),
    [
        ("backup_overdue", False, "A proven backup is overdue. Our staff have been told."),
        ("backup_overdue", True, "The last proven backup is too old: it is of "),
        ("backup_damaged", True, "What is stored of its backups can't be read whole."),
    ],
)
def test_an_incident_is_a_warning_in_plain_words(
    kind: str, is_proven: bool, words: str, book: Instance, browser: Browser
) -> None:
    if is_proven:
        _proven(book, timezone.now() - timedelta(days=3))
    summary = "acme/book: repository s3:https://store.example is broken"
    incidents.open_for(kind=Incident.Kind(kind), instance=book, summary=summary)
    page = browser.get(PAGE).content.decode()
    assert words in _plain(page)
    assert "store.example" not in page
    assert "tone-attention" in page.split("overdue")[0].split("too old")[0].split("read whole")[0]
    incidents.close(kind=Incident.Kind(kind), instance=book)
    assert words not in _text(browser)


def test_an_instance_that_failed_is_backed_up_all_the_same(
    book: Instance, browser: Browser
) -> None:
    Instance.objects.update(state="failed", state_reason="It ended.")
    _failed(book, timezone.now())
    page = _text(browser)
    assert "Berth tries again by itself at" in page
    assert "Back up now" in page


def test_a_backup_is_made_by_a_click(book: Instance, browser: Browser, alice: User) -> None:
    assert "Back up now" in _text(browser)
    part = browser.post(f"{PAGE}backup", headers=PART).content.decode()
    assert part.lstrip().startswith('<div id="live"')
    words = _plain(part)
    assert "Backing up" in words
    assert "No proven backup yet; one is being made now." in words
    assert 'disabled title="Not while it is backing up."' in part
    backup = Backup.objects.get()
    assert (backup.instance, backup.trigger) == (book, "asked")
    assert "/keep" not in part
    assert backup.operation is not None
    assert (backup.operation.kind, backup.operation.requested_by) == ("backup", alice)
    operation = _text(browser, f"/c/acme/operations/{backup.operation_id}/")
    assert "Backing up book" in operation
    assert "asked to back up acme/book" in _text(browser, "/c/acme/audit/")


def test_a_second_one_is_refused_with_who_was_first(book: Instance, browser: Browser) -> None:
    assert browser.post(f"{PAGE}backup")["Location"] == PAGE
    said = _plain(browser.post(f"{PAGE}backup", headers=PART).content.decode())
    assert "book is busy: “Back up” was asked for by Alice" in said
    assert Backup.objects.count() == 1


def test_every_kind_of_change_has_its_words() -> None:
    kinds = set(Operation.Kind)
    assert set(DOING) == set(CALLED) == kinds
    for ended in ("succeeded", "failed", "cancelled"):
        for kind in kinds:
            event = AuditEvent(action=f"operation.{ended}", after={"kind": kind})
            assert in_words(event) != event.action
            assert in_words(AuditEvent(action=f"instance.{kind}_requested")) != f"{kind} requested"


def test_the_end_of_all_backups_is_in_words() -> None:
    assert in_words(AuditEvent(action="backup_store.destroyed")) == "removed all backups of"


def test_a_backup_is_kept_and_let_go(book: Instance, browser: Browser) -> None:
    backup = _proven(book, timezone.now())
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
    log = _text(browser, "/c/acme/audit/")
    assert "chose to keep a backup of acme/book" in log
    assert "let go of a kept backup of acme/book" in log


def test_one_that_is_gone_is_not_kept(book: Instance, browser: Browser) -> None:
    backup = _proven(book, timezone.now(), removed_at=timezone.now())
    part = browser.post(f"/c/acme/backups/{backup.pk}/keep", headers=PART).content.decode()
    assert "Only a backup that was verified and is still there can be kept." in part
    assert not AuditEvent.objects.filter(action="backup.pinned").exists()


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_lookers_see_backups_and_change_none(
    role: Role, book: Instance, member: Callable[[Role], User], login: Login
) -> None:
    backup = _proven(book, timezone.now(), is_pinned=True)
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
    backup = _proven(book, timezone.now())
    browser = login(member(Role.ADMIN))
    assert browser.post(f"/c/acme/backups/{backup.pk}/keep").status_code == 302
    assert browser.post(f"{PAGE}backup").status_code == 302
    backup.refresh_from_db()
    assert backup.is_pinned
    assert book.operations.filter(kind="backup").exists()


def test_nothing_is_made_or_kept_at_an_inactive_client(
    book: Instance, acme: Client, browser: Browser
) -> None:
    backup = _proven(book, timezone.now())
    acme.is_active = False
    acme.save()
    page = _text(browser)
    assert "Proven" in page
    assert "Back up now" not in page
    for path in (f"{PAGE}backup", f"/c/acme/backups/{backup.pk}/keep"):
        assert browser.post(path).status_code == 403


@pytest.mark.parametrize("client", ["acme", "globex"])
def test_someone_elses_backups_do_not_exist(
    client: str, book: Instance, mallory: User, login: Login
) -> None:
    backup = _proven(book, timezone.now())
    browser = login(mallory)
    assert browser.get(f"/c/{client}/instances/book/backups/").status_code == 404
    for path in ("instances/book/backup", *(f"backups/{backup.pk}/{verb}" for verb in VERBS)):
        assert browser.post(f"/c/{client}/{path}").status_code == 404
    backup.refresh_from_db()
    assert not backup.is_pinned


def test_a_backup_of_a_deleted_instance_is_not_reached(
    book: Instance, order: Order, browser: Browser
) -> None:
    backup = _proven(book, timezone.now())
    Instance.objects.update(state="deleted", deleted_at=timezone.now())
    book.hostnames.all().delete()
    order("book")
    assert browser.post(f"/c/acme/backups/{backup.pk}/keep").status_code == 404
    assert browser.post(f"/c/acme/backups/{uuid.uuid4()}/keep").status_code == 404
    assert "read back" not in _text(browser)


def test_keeping_and_letting_go_need_a_post_with_a_token(book: Instance, alice: User) -> None:
    backup = _proven(book, timezone.now())
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    for verb in VERBS:
        path = f"/c/acme/backups/{backup.pk}/{verb}"
        assert browser.get(path).status_code == 405
        assert browser.post(path).status_code == 403


def test_many_are_on_pages_of_their_own(book: Instance, browser: Browser) -> None:
    assert "No backups yet" in _text(browser, ALL)
    now = timezone.now()
    for number in range(10):
        _proven(book, now - timedelta(days=number))
    assert "All backups" not in _text(browser)
    for number in range(10, A_PAGE + 1):
        _proven(book, now - timedelta(days=number))
    page = browser.get(PAGE).content.decode()
    assert page.count('aria-label="Keep') == 10
    assert f'href="{ALL}"' in page
    first, second = (browser.get(f"{ALL}?page={n}").content.decode() for n in (1, 2))
    assert (first.count('aria-label="Keep'), second.count('aria-label="Keep')) == (A_PAGE, 1)
    assert 'href="?page=2"' in first
    assert 'href="?page=1"' in second
    for nonsense in ("x", "-1", "99", "٣"):
        assert browser.get(ALL, {"page": nonsense}).status_code == 200


@pytest.mark.parametrize(
    ("page", "back"), [("2", f"{ALL}?page=2"), ("//evil.example", ALL), ("", PAGE)]
)
def test_keeping_leads_back_to_where_it_was_asked(
    page: str, back: str, book: Instance, browser: Browser
) -> None:
    backup = _proven(book, timezone.now())
    answer = browser.post(f"/c/acme/backups/{backup.pk}/keep", {"page": page})
    assert answer["Location"] == back


@pytest.mark.parametrize("path", [PAGE, ALL])
def test_the_number_of_queries_does_not_grow(path: str, book: Instance, browser: Browser) -> None:
    now = timezone.now()
    _proven(book, now)
    browser.get(path)  # the session remembers the client once
    one = _count(browser, path)
    for number in range(1, 30):
        _proven(book, now - timedelta(days=number))
        _failed(book, now - timedelta(days=number, hours=1))
    assert _count(browser, path) == one <= 24


def test_no_page_shows_a_key_or_the_stores_password(book: Instance, browser: Browser) -> None:
    backup = _proven(book, timezone.now(), secrets='{"KEY": "sesame-of-the-app"}')
    password = backups.store_of(instance=book).password
    for path in (PAGE, ALL, f"/c/acme/operations/{backup.operation_id}/", "/c/acme/audit/"):
        page = browser.get(path).content.decode()
        assert "sesame" not in page
        assert password not in page


def _proven(instance: Instance, taken_at: datetime, **more: Any) -> Backup:
    """A nightly backup of that moment that was read back at once."""
    values = {
        "trigger": "nightly",
        "created_at": taken_at,
        "taken_at": taken_at,
        "verified_at": taken_at,
        "manifest": {"app": "guestbook", "version": "2"},
        "size_bytes": MB,
        "operation": _operation(instance, taken_at, "succeeded"),
    }
    return Backup.objects.create(instance=instance, **{**values, **more})


def _failed(instance: Instance, asked_at: datetime) -> Backup:
    return Backup.objects.create(
        instance=instance,
        trigger="nightly",
        created_at=asked_at,
        operation=_operation(instance, asked_at, "failed", "The place is full."),
    )


def _operation(instance: Instance, at: datetime, state: str, reason: str = "") -> Operation:
    return Operation.objects.create(
        instance=instance,
        kind="backup",
        state=state,
        reason=reason,
        requested_by_label="Berth (backups)",
        requested_at=at,
        finished_at=at,
    )


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


def _berlin(at: datetime) -> datetime:
    return at.astimezone(ZoneInfo("Europe/Berlin"))
