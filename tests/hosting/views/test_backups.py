"""What a client reads of its backups."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.utils import timezone
from pytest_django import Settings

from hosting.models import Incident, Instance, Operation
from hosting.services.saving import backups, nights
from hosting.services.watching import incidents
from hosting.views.backups import PAGE as A_PAGE
from tests.hosting.views.history import (
    failed,
    proven,
)
from tests.hosting.views.reading import (
    ALL,
    PAGE,
    berlin,
    count,
    plain,
    text,
)

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


def test_an_instance_that_never_ran_says_when_the_first_is_made(
    order: Order, browser: Browser
) -> None:
    order()
    page = text(browser)
    assert "No proven backup yet; the first is made in the night after it first runs." in page
    assert "Back up now" not in page


def test_one_that_began_to_run_today_says_when_tonight(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    instance = order()
    work_off(instance)
    at = nights.next_at(instance=instance, now=timezone.now())
    assert at is not None
    told = f"the first is made tonight at about {berlin(at):%H:%M}."
    assert told in text(browser)
    assert at > timezone.now()


def test_one_that_was_missed_is_made_as_soon_as_possible(book: Instance, browser: Browser) -> None:
    told = "No proven backup yet; one is made as soon as nothing else is going on."
    assert told in text(browser)


def test_a_proven_backup_says_since_when_and_how_large(book: Instance, browser: Browser) -> None:
    taken_at = timezone.now() - timedelta(hours=6)
    proven(book, taken_at, size_bytes=1_234_567, stored_bytes=98_300)
    page = text(browser)
    assert "Proven 6 h ago: all of it was read back, 1.2 MB." in page
    assert f"{berlin(taken_at):%d %b %Y, %H:%M}".lstrip("0") in page, "in the client's zone"
    for words in ("Nightly", "1.2 MB", "By plan"):
        assert words in page
    assert "98.3 kB" in text(browser, ALL)
    assert "attempt" not in page


def test_it_says_in_how_many_places_one_lies(
    book: Instance, browser: Browser, settings: Settings
) -> None:
    backup = proven(book, timezone.now() - timedelta(hours=6))
    restore = f"{PAGE}backups/{backup.pk}/restore"
    assert "in one place" not in text(browser), "where one is all there is meant to be"
    settings.BERTH_BACKUP_COPY = "/somewhere/else"
    assert "It lies in one place." in text(browser)
    assert "Nightly, in one place" in text(browser, ALL)
    assert "A second place, apart from the first, gets each of them" in text(browser, ALL)
    assert "In one place" in text(browser, restore)
    backup.copied_at, backup.copied_to = timezone.now(), "/another/one"
    backup.save()
    assert "It lies in one place." in text(browser), "that place is not configured any more"
    backup.copied_to = "/somewhere/else"
    backup.save()
    assert "It lies in two places, apart from each other." in text(browser)
    assert "Nightly, in two places" in text(browser, ALL)
    assert "In two places" in text(browser, restore)


def test_a_failed_backup_says_why_and_when_it_is_tried_again(
    book: Instance, browser: Browser
) -> None:
    asked_at = timezone.now() - timedelta(minutes=20)
    attempt = failed(book, asked_at)
    page = text(browser)
    assert "The last attempt failed (20 min ago). The place is full." in page
    assert f"Berth tries again by itself at {berlin(asked_at + timedelta(hours=1)):%H:%M}." in page
    assert f"/c/acme/operations/{attempt.operation_id}/" in browser.get(PAGE).content.decode()
    ended_at = asked_at - timedelta(hours=2)
    Operation.objects.filter(backup=attempt).update(finished_at=ended_at)
    assert "Berth tries again by itself in a moment." in text(browser)


def test_a_failure_is_told_beside_what_is_proven_and_forgotten_after_a_success(
    book: Instance, browser: Browser
) -> None:
    now = timezone.now()
    proven(book, now - timedelta(hours=20))
    failed(book, now - timedelta(hours=2))
    page = text(browser)
    assert "Proven 20 h ago" in page
    assert "The last attempt failed" in page
    proven(book, now - timedelta(minutes=30))
    assert "The last attempt failed" not in text(browser)


def test_what_was_done_is_not_filled_with_backups_that_went_well(
    book: Instance, browser: Browser
) -> None:
    now = timezone.now()
    for days in range(1, 12):
        proven(book, now + timedelta(days=days))
    failed(book, now)
    done = text(browser).partition("What was done")[2]
    assert "Set up" in done
    assert done.count("Back up") == 1


def test_one_that_was_called_off_is_no_failure(book: Instance, browser: Browser) -> None:
    failed(book, timezone.now())
    Operation.objects.filter(kind="backup").update(state="cancelled")
    assert "The last attempt failed" not in text(browser)


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
        proven(book, timezone.now() - timedelta(days=3))
    summary = "acme/book: repository s3:https://store.example is broken"
    incidents.open_for(kind=Incident.Kind(kind), instance=book, summary=summary)
    page = browser.get(PAGE).content.decode()
    assert words in plain(page)
    assert "store.example" not in page
    assert "tone-attention" in page.split("overdue")[0].split("too old")[0].split("read whole")[0]
    incidents.close(kind=Incident.Kind(kind), instance=book)
    assert words not in text(browser)


def test_an_instance_that_failed_is_backed_up_all_the_same(
    book: Instance, browser: Browser
) -> None:
    Instance.objects.update(state="failed", state_reason="It ended.")
    failed(book, timezone.now())
    page = text(browser)
    assert "Berth tries again by itself at" in page
    assert "Back up now" in page


def test_many_are_on_pages_of_their_own(book: Instance, browser: Browser) -> None:
    assert "No backups yet" in text(browser, ALL)
    now = timezone.now()
    for number in range(10):
        proven(book, now - timedelta(days=number))
    assert "All backups" not in text(browser)
    for number in range(10, A_PAGE + 1):
        proven(book, now - timedelta(days=number))
    page = browser.get(PAGE).content.decode()
    assert page.count('aria-label="Keep') == 10
    assert f'href="{ALL}"' in page
    first, second = (browser.get(f"{ALL}?page={n}").content.decode() for n in (1, 2))
    assert (first.count('aria-label="Keep'), second.count('aria-label="Keep')) == (A_PAGE, 1)
    assert 'href="?page=2"' in first
    assert 'href="?page=1"' in second
    for nonsense in ("x", "-1", "99", "٣"):
        assert browser.get(ALL, {"page": nonsense}).status_code == 200


@pytest.mark.parametrize("path", [PAGE, ALL])
def test_the_number_of_queries_does_not_grow(path: str, book: Instance, browser: Browser) -> None:
    now = timezone.now()
    proven(book, now)
    browser.get(path)  # the session remembers the client once
    one = count(browser, path)
    for number in range(1, 30):
        proven(book, now - timedelta(days=number))
        failed(book, now - timedelta(days=number, hours=1))
    assert count(browser, path) == one <= 26


def test_no_page_shows_a_key_or_the_stores_password(book: Instance, browser: Browser) -> None:
    backup = proven(book, timezone.now(), secrets='{"KEY": "sesame-of-the-app"}')
    password = backups.store_of(instance=book).password
    for path in (PAGE, ALL, f"/c/acme/operations/{backup.operation_id}/", "/c/acme/audit/"):
        page = browser.get(path).content.decode()
        assert "sesame" not in page
        assert password not in page
